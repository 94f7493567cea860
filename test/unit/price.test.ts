import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Price } from '../../src/config.js';
import { readUsage } from '../../src/stream/usage.js';
import { costNano } from '../../src/upstream/price.js';
import { usage } from './ledger-fixture.js';

/** USD per million tokens, as in the configuration. */
function price(usd: Partial<Price>): Price {
  const none = { input: null, output: null, cachedInput: null, cacheWrite: null, reasoning: null };
  const scaled = Object.entries(usd).map(([name, value]) => [name, Number(value) * 1e9]);
  return {
    ...none,
    audioInput: null,
    audioOutput: null,
    request: null,
    tiers: [],
    ...Object.fromEntries(scaled),
  };
}

test('1000 tokens in at $0.05 and 500 out at $0.08 per million cost 90 000 nano-USD', () => {
  const used = usage({ inputUncached: 1000, outputText: 500 });
  assert.equal(costNano(used, price({ input: 0.05, output: 0.08 })), 90_000);
});

test('every kind of token has its own price', () => {
  const used = usage({ inputUncached: 100, cacheRead: 200, cacheWrite: 50, outputText: 10, reasoning: 30 });
  const prices = price({ input: 2, cachedInput: 0.5, cacheWrite: 3, output: 8, reasoning: 12 });
  // 100 * 2 + 200 * 0.5 + 50 * 3 + 10 * 8 + 30 * 12 = 890 millionths of a dollar
  assert.equal(costNano(used, prices), 890_000);
});

test('cached tokens without a price of their own cost as input, reasoning as output', () => {
  const used = usage({ inputUncached: 100, cacheRead: 200, cacheWrite: 50, outputText: 10, reasoning: 30 });
  // 350 * 2 + 40 * 8 = 1020
  assert.equal(costNano(used, price({ input: 2, output: 8 })), 1_020_000);
});

test('cached tokens that cost nothing are not charged as input', () => {
  const used = usage({ inputUncached: 100, cacheRead: 200 });
  assert.equal(costNano(used, price({ input: 2, cachedInput: 0 })), 200_000);
});

test('the fee for a request is added once, whatever the tokens are', () => {
  const used = usage({ inputUncached: 1000, outputText: 0 });
  assert.equal(costNano(used, price({ input: 1, request: 0.005 })), 6_000_000);
});

test('the sum is rounded to a whole nano-USD', () => {
  // 400 nano-USD per million tokens: 0.4 for a thousand, 0.6 for fifteen hundred.
  const cheap: Price = { ...price({}), input: 400 };
  assert.equal(costNano(usage({ inputUncached: 1000 }), cheap), 0);
  assert.equal(costNano(usage({ inputUncached: 1500 }), cheap), 1);
});

test('what cannot be known is null, never zero', () => {
  const full = price({ input: 1, output: 1 });
  assert.equal(costNano(null, full), null);
  assert.equal(costNano(usage({ inputUncached: 1 }), null), null);
  assert.equal(costNano(usage({ inputUncached: 1, outputText: 1 }), price({ input: 1 })), null);
  assert.equal(costNano(usage({ inputUncached: 1 }), price({ output: 1 })), null);
  assert.equal(costNano(usage({ inputUncached: 1, audioInput: 5 }), full), null);
});

test('a usage that does not tell its input has no known cost', () => {
  const full = price({ input: 1, output: 1, request: 0.01 });
  // OpenRouter may report a cost of its own and nothing else.
  assert.equal(costNano(readUsage({ usage: { cost: 0.0042 } }), full), null);
  assert.equal(costNano(usage({ outputText: 10 }), full), null);
});

test('an embedding has no output, and is charged for its input alone', () => {
  const used = readUsage({ usage: { prompt_tokens: 8, total_tokens: 8 } });
  assert.equal(costNano(used, price({ input: 0.02 })), 160);
});

test('tokens of a kind without price do not matter when there are none', () => {
  const used = usage({ inputUncached: 1000, outputText: 0, audioOutput: 0 });
  assert.equal(costNano(used, price({ input: 1 })), 1_000_000);
});

test('a cost is a whole number, and grows with each kind of token', () => {
  const tokens = fc.nat({ max: 10_000_000 });
  const nano = fc.nat({ max: 100_000_000_000 });
  fc.assert(
    fc.property(tokens, tokens, tokens, nano, nano, (input, output, more, inputPrice, outputPrice) => {
      const prices: Price = { ...price({}), input: inputPrice, output: outputPrice };
      const cost = costNano(usage({ inputUncached: input, outputText: output }), prices) ?? -1;
      const larger = costNano(usage({ inputUncached: input + more, outputText: output }), prices) ?? -1;
      assert.ok(Number.isSafeInteger(cost) && cost >= 0 && larger >= cost);
    }),
  );
});
