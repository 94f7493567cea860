import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config.js';
import { openExchange, skipAttempt } from '../../src/exchange.js';
import { createRouter } from '../../src/routing/router.js';
import { dearestCostNano } from '../../src/upstream/savings.js';

const price = (output: number) => ({ price: { input: 0, output } });
const router = createRouter(
  parseConfig(
    {
      providers: {
        lab: {
          type: 'openai-compatible',
          baseUrl: 'http://127.0.0.1:1/v1',
          models: { cheap: price(1), dear: price(5), dearest: price(9), unknown: {} },
        },
      },
      routes: { all: { targets: ['lab/cheap', 'lab/dear', 'lab/dearest', 'lab/unknown'] } },
    },
    {},
  ),
);
const nothing = {
  cacheRead: null,
  cacheWrite: null,
  reasoning: null,
  audioInput: null,
  audioOutput: null,
  providerCostNano: null,
};
const usage = { ...nothing, inputUncached: 0, outputText: 1000 };

function cost(
  model: string,
  skipped: [model: string, reason: string][] = [],
  own: number | null = 1_000_000,
) {
  const exchange = openExchange({ method: 'POST', endpoint: '/v1/chat/completions' });
  for (const [name, reason] of skipped) skipAttempt(exchange, 'lab', name, reason);
  const { attempts, startedAt } = exchange;
  return dearestCostNano({ usage, attempts, costNano: own, startedAt }, router.resolve(model, null).targets);
}

test('the dearest target that could have answered is what the choice is measured by', () => {
  assert.equal(cost('all'), 9_000_000);
  assert.equal(cost('all', [['dearest', 'rate_limited']]), 9_000_000, 'it was only busy');
  assert.equal(cost('all', [['dearest', 'policy_denied']]), 5_000_000);
});

test('without a choice, or without a cost, nothing is saved', () => {
  assert.equal(cost('lab/cheap'), null);
  assert.equal(cost('all', [], null), null);
});
