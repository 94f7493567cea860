import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Explanation } from '../../src/routing/explain.js';
import { post } from '../helpers/gateway.js';
import { billing, chanceFrom, requestOf } from './replay-fixture.js';
import { setUpParts } from './strategy-fixture.js';

const COUNT = 500;
const NANO = 1e9;

const parts = {
  plain: {
    model: { price: { input: 0.6, output: 1.8 } },
    script: billing({ scale: 1, verbosity: 1, caches: false, reasons: false }, 11),
  },
  caching: {
    model: { price: { input: 0.8, output: 1.15, cachedInput: 0.1 } },
    script: billing({ scale: 1.3, verbosity: 1.2, caches: true, reasons: false }, 12),
  },
  thinking: {
    model: { price: { input: 0.3, output: 2.2, reasoning: 2.2 } },
    script: billing({ scale: 0.9, verbosity: 0.8, caches: false, reasons: true }, 13),
  },
};

/** The middle one. */
function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function assertWithin(ratio: number, share: number, what: string): void {
  assert.ok(ratio > 1 - share && ratio < 1 + share, `${what}: ${ratio.toFixed(3)}`);
}

test('over 500 varied exchanges /explain names who gets the request, and what it then costs within a fifth', async (t) => {
  const { gateway } = await setUpParts(t, parts, { strategy: 'cheapest' });
  const unlearned = await setUpParts(t, parts, { strategy: 'cheapest' });
  const chance = chanceFrom(7);
  const estimates: number[] = [];
  const firstGuesses: number[] = [];
  const winners = new Map<string, number>();

  for (let count = 0; count < COUNT; count++) {
    const body = requestOf(chance, 'r');
    const explained = await explain(gateway.url, body);
    const [first] = explained.candidates;
    assert.ok(first?.estimated_cost_usd != null);
    const costs = explained.candidates.map(({ estimated_cost_usd }) => estimated_cost_usd ?? Number.NaN);
    assert.deepEqual(
      costs,
      [...costs].sort((one, other) => one - other),
      'the cheapest comes first',
    );
    const response = await post(`${gateway.url}/v1/chat/completions`, body);
    await response.arrayBuffer();
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-gateway-provider'), first.provider, `exchange ${count}`);
    winners.set(first.provider, (winners.get(first.provider) ?? 0) + 1);
    estimates.push(first.estimated_cost_usd);
    const guesses = (await explain(unlearned.gateway.url, body)).candidates;
    const guess = guesses.find(({ provider }) => provider === first.provider);
    firstGuesses.push(guess?.estimated_cost_usd ?? Number.NaN);
  }

  const rows = await gateway.exchanges(COUNT);
  const costs = rows.map((row) => Number(row.cost_nano) / NANO);
  const ratios = estimates.map((estimate, index) => estimate / (costs[index] ?? Number.NaN));
  assertWithin(sum(estimates) / sum(costs), 0.2, 'all estimates to all costs');
  assertWithin(median(ratios), 0.2, 'the median of the single ratios');
  for (const provider of Object.keys(parts)) {
    assert.ok((winners.get(provider) ?? 0) >= COUNT / 20, `${provider} was the cheapest at times`);
    const own = rows.flatMap((row, index) => (row.provider === provider ? [index] : []));
    const at = (values: readonly number[]) => sum(own.map((index) => values[index] ?? Number.NaN));
    t.diagnostic(`${provider}: ${own.length} exchanges, ${(at(estimates) / at(costs)).toFixed(3)}`);
  }
  const withoutLearning = sum(firstGuesses) / sum(costs);
  t.diagnostic(
    `all ${(sum(estimates) / sum(costs)).toFixed(3)}, median ${median(ratios).toFixed(3)}, ` +
      `without learning ${withoutLearning.toFixed(3)}`,
  );
  assert.ok(Math.abs(withoutLearning - 1) > 0.2, 'what was learned is what makes the estimates right');
});

async function explain(url: string, body: object): Promise<Explanation> {
  const response = await post(`${url}/explain`, body);
  assert.equal(response.status, 200);
  return (await response.json()) as Explanation;
}
