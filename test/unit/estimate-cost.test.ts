import assert from 'node:assert/strict';
import { test } from 'node:test';
import { costNano } from '../../src/upstream/price.js';
import { facts, routerFor, targetOf, usage } from './routing-fixture.js';

const price = { input: 2, output: 10, cachedInput: 0.5, request: 0.0001 };

/** A generator of numbers that is the same every time. */
function numbers(seed: number) {
  let state = seed;
  return (least: number, most: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return least + Math.floor((state / 2 ** 32) * (most - least + 1));
  };
}

/** What 500 exchanges were estimated to cost before each, and what they cost then. */
function replay(answerTokens: (inputTokens: number, pick: ReturnType<typeof numbers>) => number) {
  const pick = numbers(7);
  const router = routerFor({ a: { price } }, { routes: { r: { strategy: 'cheapest', targets: ['lab/a'] } } });
  const entry = router.resolve('r', null);
  const target = targetOf(entry, 'a');
  let estimated = 0;
  let settled = 0;
  for (let count = 0; count < 500; count++) {
    const words = pick(1, 3) === 1 ? pick(500, 4000) : pick(5, 200);
    const most = pick(1, 4) === 1 ? 100 : null;
    const text = (pick(1, 5) === 1 ? 'слово ' : 'word ').repeat(words);
    const request = facts(text, { body: { max_tokens: most } });
    const estimate = router.estimate(router.plan(entry, request, 0), target, 0);
    assert.ok(estimate !== null);
    // A tokeniser that sees it differently, and a cache that knows half of what is long.
    const input = Math.round(words * 1.1) + 9;
    const output = Math.min(answerTokens(input, pick), most ?? 1e9);
    const reported = usage(input, output, input > 1024 ? 512 : 0);
    const cost = costNano(reported, target.declared?.price ?? null);
    assert.ok(cost !== null);
    estimated += estimate;
    settled += cost;
    router.observe.answered({ entry, facts: request, target }, reported);
  }
  return estimated / settled;
}

test('over 500 varied exchanges the estimates are within a fifth of what was settled', () => {
  const ratios = {
    'answers of any length': replay((_input, pick) => pick(20, 1500)),
    'answers that grow with the question': replay((input, pick) => Math.round(input * 0.8 + pick(0, 200))),
    'one word': replay(() => 1),
    'long reasoning': replay((_input, pick) => pick(3000, 9000)),
  };
  for (const [what, ratio] of Object.entries(ratios)) {
    assert.ok(ratio > 0.8 && ratio < 1.2, `${what}: ${ratio}`);
  }
});

test('before anything is known, the price and the size decide', () => {
  const router = routerFor({ a: { price } }, { routes: { r: { targets: ['lab/a'] } } });
  const plan = (text: string, most?: number) =>
    router.plan(router.resolve('r', null), facts(text, { body: { max_tokens: most } }), 0);
  const cost = (made: ReturnType<typeof plan>) => router.estimate(made, targetOf(made.entry, 'a'), 0);
  // 1,000 tokens of text, a few around it, an answer of 200, and the fee.
  const tokens = plan('four'.repeat(1000)).facts.inputTokens;
  assert.equal(cost(plan('four'.repeat(1000))), tokens * 2000 + 200 * 10_000 + 100_000);
  assert.equal(cost(plan('four'.repeat(1000), 10)), tokens * 2000 + 10 * 10_000 + 100_000);
});

test('embeddings have no answer to pay for', () => {
  const router = routerFor(
    { a: { price: { input: 1 } }, b: { price: { output: 1 } }, c: {} },
    { routes: { r: { strategy: 'cheapest', targets: ['lab/a', 'lab/b', 'lab/c'] } } },
  );
  const entry = router.resolve('r', null);
  const cost = (endpoint: string, model: string) =>
    router.estimate(router.plan(entry, facts('Hello', { endpoint }), 0), targetOf(entry, model), 0);
  assert.equal(typeof cost('embeddings', 'a'), 'number');
  assert.equal(cost('chat', 'a'), null);
  assert.equal(cost('chat', 'b'), null);
  assert.equal(cost('embeddings', 'c'), null);
});

test('a usage that is not known teaches nothing', () => {
  const router = routerFor({ a: { price } }, { routes: { r: { targets: ['lab/a'] } } });
  const entry = router.resolve('r', null);
  const target = targetOf(entry, 'a');
  const estimate = () => router.estimate(router.plan(entry, facts(), 0), target, 0);
  const before = estimate();
  router.observe.answered({ entry, facts: facts(), target }, null);
  router.observe.answered({ entry, facts: facts(), target }, { ...usage(1, 1), inputUncached: null });
  assert.equal(estimate(), before);
});

test('what a target reads from its cache is reckoned at the price of the cache', () => {
  const cached = { input: 100, output: 0, cachedInput: 1 };
  const router = routerFor(
    { a: { price: cached }, b: { price: cached } },
    { routes: { r: { targets: ['lab/a', 'lab/b'] } } },
  );
  const entry = router.resolve('r', null);
  const request = facts('four'.repeat(1000));
  const estimate = (model: string) =>
    router.estimate(router.plan(entry, request, 0), targetOf(entry, model), 0) ?? 0;
  const tokens = request.inputTokens;
  for (const [model, share] of [
    ['a', 0],
    ['b', 0.5],
  ] as const) {
    const reported = usage(tokens, 1, Math.round(tokens * share));
    router.observe.answered({ entry, facts: request, target: targetOf(entry, model) }, reported);
  }
  assert.equal(estimate('a'), tokens * 100_000);
  assert.ok(Math.abs(estimate('b') / (tokens * 50_500) - 1) < 0.001, `${estimate('b')}`);
});

test('each target has its own habits once it is known, and the route’s until then', () => {
  const router = routerFor(
    { a: { price }, b: { price }, c: { price } },
    {
      routes: { r: { strategy: 'cheapest', targets: ['lab/a', 'lab/b', 'lab/c'] } },
    },
  );
  const entry = router.resolve('r', null);
  const estimate = (model: string) =>
    router.estimate(router.plan(entry, facts(), 0), targetOf(entry, model), 0) ?? Number.NaN;
  for (let count = 0; count < 10; count++) {
    router.observe.answered({ entry, facts: facts(), target: targetOf(entry, 'a') }, usage(7, 10));
    router.observe.answered({ entry, facts: facts(), target: targetOf(entry, 'b') }, usage(7, 5000));
  }
  assert.ok(estimate('a') < 1_000_000);
  assert.ok(estimate('b') > 49_000_000);
  assert.ok(estimate('c') > 20_000_000 && estimate('c') < 30_000_000);
});
