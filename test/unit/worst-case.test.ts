import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quote } from '../../src/budgets/quote.js';
import { LONGEST_ANSWER, worstCase } from '../../src/routing/worst-case.js';
import { facts, routerFor, targetOf } from './routing-fixture.js';

const price = { input: 10, output: 100 };
const models = {
  plain: { price },
  cached: { price: { ...price, cachedInput: 1, cacheWrite: 12.5, reasoning: 200 } },
  short: { price, maxOutput: 50 },
  small: { price, context: 1000 },
  image: { price: { request: 0.04 } },
  fee: { price: { ...price, request: 0.5 } },
  'half-known': { price: { input: 1 } },
  unpriced: {},
};
const targets = Object.keys(models).map((model) => `lab/${model}`);
const router = routerFor(models, {
  routes: { all: { targets }, dear: { targets: ['lab/plain', 'lab/fee'] } },
});
const entry = router.resolve('all', null);
const NANO_IN = 10_000;
const NANO_OUT = 100_000;

const of = (model: string, request = facts(), scale?: number) =>
  worstCase(targetOf(entry, model), request, 0, scale);
const tokens = facts().inputTokens;

test('the longest answer is what was asked for, else what the model can, else what fits, else a default', () => {
  const asked = facts('Hello', { body: { max_tokens: 30 } });
  assert.equal(of('plain', asked)?.whole, tokens * NANO_IN + 30 * NANO_OUT);
  assert.equal(of('short', asked)?.whole, tokens * NANO_IN + 30 * NANO_OUT);
  assert.equal(
    of('short', facts('Hello', { body: { max_tokens: 80 } }))?.whole,
    tokens * NANO_IN + 50 * NANO_OUT,
  );
  assert.equal(of('short')?.whole, tokens * NANO_IN + 50 * NANO_OUT);
  assert.equal(of('small')?.whole, tokens * NANO_IN + (1000 - tokens) * NANO_OUT);
  assert.equal(of('plain')?.whole, tokens * NANO_IN + LONGEST_ANSWER * NANO_OUT);
});

test('every answer that is asked for counts', () => {
  const per = (body: Record<string, unknown>) => {
    const request = facts('Hello', { body: { max_tokens: 10, ...body } });
    return ((of('plain', request)?.whole ?? 0) - request.inputTokens * NANO_IN) / NANO_OUT;
  };
  assert.deepEqual(
    [{}, { n: 3 }, { n: 2, best_of: 5 }, { n: 0 }, { n: -4 }, { n: 'many' }, { prompt: ['a', 'b'] }].map(per),
    [10, 30, 50, 10, 10, 10, 20],
  );
  assert.equal(per({ prompt: [1, 2, 3] }), 10, 'a list of tokens is one prompt');
});

test('tokens are taken at their dearest, and no fewer than were estimated', () => {
  const asked = facts('Hello', { body: { max_tokens: 10 } });
  assert.deepEqual(of('cached', asked), { question: tokens * 12_500, whole: tokens * 12_500 + 10 * 200_000 });
  assert.equal(of('plain', asked, 3)?.question, tokens * 3 * NANO_IN);
  assert.equal(of('plain', asked, 0.2)?.question, tokens * NANO_IN);
  assert.deepEqual(of('image'), { question: 40_000_000, whole: 40_000_000 });
  assert.equal(of('fee', asked)?.question, tokens * NANO_IN + 500_000_000);
});

test('what counts tokens, or reads them only, has no answer to pay for', () => {
  for (const endpoint of ['embeddings', 'moderations', 'responses/input_tokens'])
    assert.equal(of('plain', facts('Hello', { endpoint }))?.whole, tokens * NANO_IN);
});

test('without a price of all that matters nothing can be promised', () => {
  assert.deepEqual([of('unpriced'), of('half-known')], [null, null]);
  assert.equal(of('half-known', facts('Hello', { endpoint: 'embeddings' }))?.whole, tokens * 1000);
});

test('targets whose price is not known are passed over where there is a budget to keep to', () => {
  const { candidates, skips } = router.plan(entry, facts('Hello', { pricedOnly: true }), 0);
  assert.ok(!candidates.some(({ model }) => model === 'unpriced' || model === 'half-known'));
  assert.deepEqual(
    skips.map(({ target, reason }) => [target.model, reason]),
    [
      ['half-known', 'price_unknown'],
      ['unpriced', 'price_unknown'],
    ],
  );
  assert.deepEqual(router.plan(entry, facts(), 0).skips, []);
});

test('a quote is the dearest target that may answer, also one that is not free just now', () => {
  const dear = router.resolve('dear', null);
  const request = facts('Hello', { body: { max_tokens: 10 } });
  const most = () => quote(router, dear, request, Date.now()).most;
  const fee = of('fee', request)?.whole;
  assert.equal(most(), fee);
  router.availability.block('lab/fee', 'rate_limited', Date.now() + 60_000);
  assert.equal(most(), fee);
  assert.equal(
    quote(router, dear, request, Date.now()).of('lab', 'plain')?.whole,
    of('plain', request)?.whole,
  );
  const bare = routerFor({ m: {} }, { routes: { r: { targets: ['lab/m'] } } });
  assert.equal(quote(bare, bare.resolve('r', null), request, 0).most, 0);
});

test('a quote goes by the price of now, and by how a target has counted', () => {
  const from = '2026-07-01';
  const lab = routerFor({ m: { price: [{ from, ...price }] } }, { routes: { r: { targets: ['lab/m'] } } });
  const entry = lab.resolve('r', null);
  const request = facts('Hello', { body: { max_tokens: 10 } });
  const expected = tokens * NANO_IN + 10 * NANO_OUT;
  const at = Date.parse(from);
  assert.deepEqual(
    [quote(lab, entry, request, at - 1).most, quote(lab, entry, request, at).most],
    [0, expected],
  );
  const learned = {
    ...lab.learned,
    amounts: { ...lab.learned.amounts, input: () => ({ scale: 3, cachedShare: 0 }) },
  };
  const scaled = quote({ plan: lab.plan, learned }, entry, request, at);
  assert.equal(scaled.of('lab', 'm')?.question, tokens * 3 * NANO_IN);
});
