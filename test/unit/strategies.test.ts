import assert from 'node:assert/strict';
import { test } from 'node:test';
import { facts, models, routerFor, run, targetOf, usage } from './routing-fixture.js';

const abc = { a: {}, b: {}, c: {} };
const targets = ['lab/a', 'lab/b', 'lab/c'];

test('priority keeps the order of the configuration, every time', () => {
  const router = routerFor(abc, { routes: { r: { targets: ['lab/c', 'lab/a'] } } });
  assert.deepEqual(run(router, 'r', 3), ['c', 'c', 'c']);
  const { candidates } = router.plan(router.resolve('r', null), facts(), 0);
  assert.deepEqual(models(candidates), ['c', 'a']);
});

test('round-robin gives everyone a turn', () => {
  const router = routerFor(abc, { routes: { r: { strategy: 'round-robin', targets } } });
  assert.deepEqual(run(router, 'r', 7), ['a', 'b', 'c', 'a', 'b', 'c', 'a']);
});

test('round-robin does not double the load of who stands behind an absent target', () => {
  const router = routerFor(abc, { routes: { r: { strategy: 'round-robin', targets } } });
  router.availability.block('lab/a', 'rate_limited', 100);
  assert.deepEqual(run(router, 'r', 4, facts(), 0), ['b', 'c', 'b', 'c']);
  assert.deepEqual(run(router, 'r', 4, facts(), 100), ['a', 'b', 'c', 'a']);
});

test('weighted gives shares by weight, spread out', () => {
  const router = routerFor(abc, {
    routes: { r: { strategy: 'weighted', targets, weights: { 'lab/a': 5, 'lab/c': 2 } } },
  });
  const first = run(router, 'r', 8);
  const count = (model: string) => first.filter((chosen) => chosen === model).length;
  assert.deepEqual([count('a'), count('b'), count('c')], [5, 1, 2]);
  assert.doesNotMatch(first.join(''), /aaa/);
  assert.deepEqual(run(router, 'r', 8), first);
});

test('a target that was away gets its share again, and no backlog', () => {
  const router = routerFor(abc, { routes: { r: { strategy: 'weighted', targets } } });
  router.availability.block('lab/a', 'rate_limited', 100);
  run(router, 'r', 300, facts(), 0);
  const back = run(router, 'r', 9, facts(), 100).filter((chosen) => chosen === 'a').length;
  assert.ok(back >= 3 && back <= 5, `${back} of 9`);
});

test('a dry run takes nobody’s turn', () => {
  for (const strategy of ['round-robin', 'weighted'] as const) {
    const router = routerFor(abc, { routes: { r: { strategy, targets } } });
    const entry = router.resolve('r', null);
    for (let dry = 0; dry < 5; dry++) router.plan(entry, facts(), 0);
    assert.deepEqual(run(router, 'r', 3), ['a', 'b', 'c'], strategy);
  }
});

test('cheapest asks who costs least for this request, and the unpriced last', () => {
  const router = routerFor(
    {
      unpriced: {},
      // Dear questions and cheap answers, and the other way round, and a fee.
      question: { price: { input: 10, output: 1 } },
      answer: { price: { input: 1, output: 10 } },
      fee: { price: { input: 0, output: 0, request: 0.01 } },
    },
    {
      routes: {
        r: {
          strategy: 'cheapest',
          targets: ['lab/unpriced', 'lab/question', 'lab/answer', 'lab/fee'],
        },
      },
    },
  );
  const entry = router.resolve('r', null);
  const order = (request: ReturnType<typeof facts>) => models(router.plan(entry, request, 0).candidates);
  const long = facts('word '.repeat(2000));
  assert.deepEqual(order(facts('Hi')), ['question', 'answer', 'fee', 'unpriced']);
  assert.deepEqual(order(long), ['answer', 'fee', 'question', 'unpriced']);
  assert.deepEqual(order(facts('word '.repeat(200), { body: { max_tokens: 1 } })), [
    'answer',
    'question',
    'fee',
    'unpriced',
  ]);
});

test('cheapest learns how long the answers of a route are', () => {
  const router = routerFor(
    { question: { price: { input: 10, output: 1 } }, answer: { price: { input: 1, output: 10 } } },
    { routes: { r: { strategy: 'cheapest', targets: ['lab/question', 'lab/answer'] } } },
  );
  const entry = router.resolve('r', null);
  const request = facts('word '.repeat(120));
  assert.deepEqual(models(router.plan(entry, request, 0).candidates), ['question', 'answer']);
  for (let count = 0; count < 20; count++) {
    router.observe.answered({ entry, facts: request, target: targetOf(entry, 'question') }, usage(150, 3));
  }
  assert.deepEqual(models(router.plan(entry, request, 0).candidates), ['answer', 'question']);
});

test('fastest asks everyone once, then whoever gives its first content soonest', () => {
  const router = routerFor(abc, { routes: { r: { strategy: 'fastest', targets } } });
  const entry = router.resolve('r', null);
  assert.deepEqual(run(router, 'r', 3), ['a', 'b', 'c']);
  const times = { a: 900, b: 200, c: 500 };
  for (const [model, ms] of Object.entries(times)) {
    router.observe.firstContent({ entry, facts: facts(), target: targetOf(entry, model) }, ms, 1000);
  }
  assert.deepEqual(models(router.plan(entry, facts(), 1000).candidates), ['b', 'c', 'a']);
});

test('fastest follows a target that becomes slow, and leaves one that fails', () => {
  const router = routerFor(abc, { routes: { r: { strategy: 'fastest', targets: ['lab/a', 'lab/b'] } } });
  const entry = router.resolve('r', null);
  const sent = (model: string) => ({ entry, facts: facts(), target: targetOf(entry, model) });
  router.observe.firstContent(sent('a'), 100, 0);
  router.observe.firstContent(sent('b'), 300, 0);
  assert.equal(run(router, 'r', 1, facts(), 0)[0], 'a');
  router.observe.firstContent(sent('a'), 2000, 60_000);
  assert.equal(run(router, 'r', 1, facts(), 60_000)[0], 'b');
  router.observe.failed(sent('b'), 10, 120_000);
  assert.equal(run(router, 'r', 1, facts(), 120_000)[0], 'a');
});

test('one request explores, and those beside it do not', () => {
  const router = routerFor(abc, { routes: { r: { strategy: 'fastest', targets: ['lab/a', 'lab/b'] } } });
  const entry = router.resolve('r', null);
  const sent = (model: string) => ({ entry, facts: facts(), target: targetOf(entry, model) });
  router.observe.firstContent(sent('a'), 100, 0);
  assert.deepEqual(run(router, 'r', 3, facts(), 0), ['b', 'a', 'a']);
  router.observe.firstContent(sent('b'), 1000, 1000);
  // What is known of the slow one fades while nobody asks it, until it is worth a try again.
  let now = 1000;
  while (now < 3_600_000) {
    now += 10_000;
    if (run(router, 'r', 1, facts(), now)[0] === 'b') break;
    router.observe.firstContent(sent('a'), 100, now);
  }
  assert.ok(now > 600_000 && now < 1_800_000, `${now} ms`);
  assert.deepEqual(run(router, 'r', 3, facts(), now), ['a', 'a', 'a']);
});

test('targets that are equally fast share the work', () => {
  const chosen = [0, 0.4, 0.99].map((random) => {
    const router = routerFor(abc, { routes: { r: { strategy: 'fastest', targets } } }, () => random);
    const entry = router.resolve('r', null);
    for (const [model, ms] of Object.entries({ a: 104, b: 100, c: 200 })) {
      router.observe.firstContent({ entry, facts: facts(), target: targetOf(entry, model) }, ms, 0);
    }
    return models(router.plan(entry, facts(), 0).candidates).join('');
  });
  assert.deepEqual(chosen, ['bac', 'bac', 'abc']);
});

test('streams and whole answers are timed apart', () => {
  const router = routerFor(abc, { routes: { r: { strategy: 'fastest', targets: ['lab/a', 'lab/b'] } } });
  const entry = router.resolve('r', null);
  const stream = facts('Hello', { body: { stream: true } });
  for (const [request, a, b] of [
    [facts(), 5000, 4000],
    [stream, 200, 300],
  ] as const) {
    router.observe.firstContent({ entry, facts: request, target: targetOf(entry, 'a') }, a, 0);
    router.observe.firstContent({ entry, facts: request, target: targetOf(entry, 'b') }, b, 0);
  }
  assert.equal(models(router.plan(entry, facts(), 0).candidates)[0], 'b');
  assert.equal(models(router.plan(entry, stream, 0).candidates)[0], 'a');
});

test('complexity sends the simple to the small and the hard to the large', () => {
  const router = routerFor(
    { small: { tier: 'local' }, middle: { tier: 'standard' }, large: { tier: 'frontier' } },
    { routes: { r: { strategy: 'complexity', targets: ['lab/large', 'lab/small', 'lab/middle'] } } },
  );
  const entry = router.resolve('r', null);
  const simple = router.plan(entry, facts('Hello'), 0);
  assert.deepEqual(models(simple.candidates), ['small', 'middle', 'large']);
  assert.deepEqual([simple.score, simple.tier], [0, 'local']);
  const hard =
    'Analyze step by step and prove why this algorithm has a race condition; compare alternatives. ';
  const plan = router.plan(entry, facts(hard.repeat(60)), 0);
  assert.deepEqual(models(plan.candidates), ['large']);
  assert.equal(plan.tier, 'frontier');
});

test('what a percentile is made of are the last answers, and enough of them', () => {
  const router = routerFor(abc, { routes: { r: { strategy: 'fastest', targets } } });
  const entry = router.resolve('r', null);
  const sent = { entry, facts: facts(), target: targetOf(entry, 'a') };
  for (let ms = 1; ms <= 19; ms++) router.observe.firstContent(sent, ms, ms);
  assert.equal(router.learned.speeds.percentile95('chat whole', 'lab/a'), null);
  for (let ms = 20; ms <= 100; ms++) router.observe.firstContent(sent, ms, ms);
  // Of 37 to 100.
  assert.equal(router.learned.speeds.percentile95('chat whole', 'lab/a'), 97);
});
