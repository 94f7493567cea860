import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Dimension } from '../../src/db/reports.js';
import { cut } from '../../src/db/totals.js';
import type { Exchange, Outcome } from '../../src/exchange.js';
import { attempt, query, recordedInParts, settled, temporaryLedger, usage } from './ledger-fixture.js';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 4, 10);
const all = { since: 0, until: START + 100 * HOUR };

const count = fc.option(fc.nat({ max: 5000 }), { nil: null });
const name = fc.option(fc.constantFrom('a', 'b', 'a,b', '"'), { nil: null });
const outcome = fc.constantFrom<Outcome>('ok', 'rejected', 'failed', 'aborted', 'truncated');

const someExchange = fc
  .record({
    startedAt: fc.integer({ min: START, max: START + 4 * HOUR }),
    provider: name,
    model: name,
    route: name,
    key: name,
    outcome,
    streaming: fc.boolean(),
    costNano: count,
    totalUs: count,
    firstContentUs: count,
    bytesIn: count,
    usage: fc.option(
      fc.record({
        inputUncached: count,
        cacheRead: count,
        cacheWrite: count,
        outputText: count,
        reasoning: count,
        audioInput: count,
        audioOutput: count,
        providerCostNano: count,
      }),
      { nil: null },
    ),
  })
  .map((fields) => settled(fields));

/** Sums as they ought to be: unknown unless one is known. */
function sum(exchanges: Exchange[], pick: (exchange: Exchange) => number | null | undefined): number | null {
  const known = exchanges.map(pick).filter((value) => typeof value === 'number');
  return known.length === 0 ? null : known.reduce((left, right) => left + right, 0);
}

function audioOf(usage: Exchange['usage']): number | null {
  const { audioInput = null, audioOutput = null } = usage ?? {};
  return audioInput === null && audioOutput === null ? null : (audioInput ?? 0) + (audioOutput ?? 0);
}

function expected(exchanges: Exchange[]) {
  const total = sum(exchanges, (each) => each.totalUs);
  const timed = exchanges.filter((each) => each.totalUs !== null).length;
  const cost = sum(exchanges, (each) => each.costNano);
  const input = (each: Exchange) => [
    each.usage?.inputUncached,
    each.usage?.cacheRead,
    each.usage?.cacheWrite,
  ];
  return {
    exchanges: exchanges.length,
    ok: exchanges.filter((each) => each.outcome === 'ok').length,
    truncated: exchanges.filter((each) => each.outcome === 'truncated').length,
    cost_usd: cost === null ? null : cost / 1e9,
    cost_known: exchanges.filter((each) => each.costNano !== null).length,
    audio_tokens: sum(exchanges, (each) => audioOf(each.usage)),
    input_tokens: sum(exchanges, (each) => {
      const known = input(each).filter((value) => typeof value === 'number');
      return known.length === 0 ? null : known.reduce((left, right) => left + right, 0);
    }),
    bytes_in: sum(exchanges, (each) => each.bytesIn),
    mean: total === null ? null : Math.round(total / timed) / 1000,
  };
}

test('totals and groups of any window are those of its exchanges', async (t) => {
  const instant = fc.integer({ min: START - HOUR, max: START + 5 * HOUR });
  await fc.assert(
    fc.asyncProperty(
      fc.array(someExchange, { maxLength: 40 }),
      fc.uniqueArray(instant, { minLength: 2, maxLength: 2 }),
      fc.subarray<Dimension>(['provider', 'model', 'route']),
      async (exchanges, bounds, groupBy) => {
        const ledger = temporaryLedger(t, { path: ':memory:' });
        for (const exchange of exchanges) ledger.record(exchange);
        const window = { since: Math.min(...bounds), until: Math.max(...bounds) };
        await ledger.flush();
        const { totals, data } = await ledger.reports.totals({ window, groupBy });
        await ledger.close();

        const inside = exchanges.filter(
          ({ startedAt }) => startedAt >= window.since && startedAt < window.until,
        );
        const { mean, ...sums } = expected(inside);
        for (const [key, value] of Object.entries(sums))
          assert.deepEqual(Reflect.get(totals, key), value, key);
        assert.equal(totals.total_ms.mean, mean);

        const names = new Set(inside.map((each) => JSON.stringify(groupBy.map((key) => each[key]))));
        assert.equal(data.length, groupBy.length === 0 ? 0 : names.size);
        for (const group of data) {
          const members = inside.filter((each) => groupBy.every((key) => each[key] === group[key]));
          const { mean: groupMean, ...groupSums } = expected(members);
          for (const [key, value] of Object.entries(groupSums)) {
            assert.deepEqual(Reflect.get(group, key), value, key);
          }
          assert.equal(group.total_ms.mean, groupMean);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('rollups hold exactly the sums of the rows', async (t) => {
  const columns = `sum(input_uncached_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
    sum(output_text_tokens), sum(reasoning_tokens), sum(audio_tokens), sum(cost_nano), sum(provider_cost_nano),
    sum(bytes_in), sum(bytes_out), sum(total_us)`;
  const dimensions = `coalesce(route, ''), coalesce(provider, ''), coalesce(model, ''), coalesce(key, ''),
    outcome, streaming`;
  await fc.assert(
    fc.asyncProperty(
      fc.array(someExchange, { maxLength: 60 }),
      fc.nat({ max: 60 }),
      async (exchanges, pause) => {
        const { path, ledger } = await recordedInParts(t, exchanges, pause);
        const fromRows = query(
          path,
          `select started_at / ${HOUR} as hour, ${dimensions}, count(*) as exchanges, ${columns}
         from exchanges group by 1, 2, 3, 4, 5, 6, 7 order by 1, 2, 3, 4, 5, 6, 7`,
        );
        const fromRollups = query(
          path,
          `select hour / ${HOUR} as hour, ${dimensions}, sum(exchanges) as exchanges, ${columns}
         from rollups group by 1, 2, 3, 4, 5, 6, 7 order by 1, 2, 3, 4, 5, 6, 7`,
        );
        assert.deepEqual(fromRollups, fromRows);
        await ledger.close();
      },
    ),
    { numRuns: 15 },
  );
});

test('a window is cut into whole hours and what is left', () => {
  assert.deepEqual(cut({ since: 10, until: 3 * HOUR + 5 }), {
    hours: { since: HOUR, until: 3 * HOUR },
    edges: [
      { since: 10, until: HOUR },
      { since: 3 * HOUR, until: 3 * HOUR + 5 },
    ],
  });
  assert.deepEqual(cut({ since: HOUR, until: 2 * HOUR }), {
    hours: { since: HOUR, until: 2 * HOUR },
    edges: [],
  });
  assert.deepEqual(cut({ since: HOUR - 1, until: HOUR + 1 }).edges, [{ since: HOUR - 1, until: HOUR + 1 }]);
});

test('nothing recorded is counted as nothing, and its rates and sums are unknown', async (t) => {
  const { totals, data } = await temporaryLedger(t).reports.totals({ window: all, groupBy: ['model'] });
  assert.deepEqual(data, []);
  assert.deepEqual(totals, {
    exchanges: 0,
    ok: 0,
    rejected: 0,
    failed: 0,
    aborted: 0,
    truncated: 0,
    attempts: 0,
    skipped: 0,
    failed_attempts: 0,
    attempt_reasons: {},
    input_uncached_tokens: null,
    cache_read_tokens: null,
    cache_write_tokens: null,
    output_text_tokens: null,
    reasoning_tokens: null,
    audio_tokens: null,
    input_tokens: null,
    output_tokens: null,
    total_tokens: null,
    usage_known: 0,
    cost_usd: null,
    cost_known: 0,
    provider_cost_usd: null,
    bytes_in: null,
    bytes_out: null,
    error_rate: null,
    total_ms: { mean: null, p50: null, p90: null, p95: null, p99: null },
    first_content_ms: { p50: null, p90: null, p95: null, p99: null },
  });
});

test('percentiles agree within 2 % whether they come from rows or from rollups', async (t) => {
  const ledger = temporaryLedger(t);
  for (let each = 1; each <= 1000; each += 1) {
    ledger.record(settled({ startedAt: START + each, totalUs: each * 1000, firstContentUs: each * 100 }));
  }
  await ledger.flush();
  const near = (read: number | null, exact: number) =>
    assert.ok(read !== null && Math.abs(read - exact) <= exact * 0.02, `${read} for ${exact}`);
  for (const window of [
    { since: START, until: START + HOUR },
    { since: START + 1, until: START + HOUR - 1 },
  ]) {
    const { totals } = await ledger.reports.totals({ window, groupBy: [] });
    near(totals.total_ms.p50, 500);
    near(totals.total_ms.p99, 990);
    near(totals.first_content_ms.p95, 95);
    assert.equal(totals.total_ms.mean, 500.5);
  }
});

test('groups come busiest first, with null for exchanges that have none', async (t) => {
  const ledger = temporaryLedger(t);
  for (const provider of ['a', null, 'b', 'b', null, 'b'])
    ledger.record(settled({ provider, startedAt: START }));
  await ledger.flush();
  const { data } = await ledger.reports.totals({ window: all, groupBy: ['provider'] });
  assert.deepEqual(
    data.map(({ provider, exchanges }) => [provider, exchanges]),
    [
      ['b', 3],
      [null, 2],
      ['a', 1],
    ],
  );
});

test('an exchange whose id is younger than its start is counted where it started', async (t) => {
  const ledger = temporaryLedger(t);
  const late = settled({ startedAt: START + 30_000 });
  ledger.record({ ...late, startedAt: START - 1 });
  await ledger.flush();
  const before = { since: START - HOUR / 2, until: START };
  const after = { since: START, until: START + HOUR / 2 };
  assert.equal((await ledger.reports.totals({ window: before, groupBy: [] })).totals.exchanges, 1);
  assert.equal((await ledger.reports.totals({ window: after, groupBy: [] })).totals.exchanges, 0);
  assert.equal((await ledger.reports.exchanges({ filter: before, limit: 5, before: null })).data.length, 1);
});

test('pages go through every exchange once, newest first, while more arrive', async (t) => {
  const ledger = temporaryLedger(t);
  const ids: string[] = [];
  for (let each = 0; each < 23; each += 1) {
    const exchange = settled({ startedAt: START + each });
    ids.unshift(exchange.id);
    ledger.record(exchange);
  }
  await ledger.flush();
  const seen: string[] = [];
  let before: string | null = null;
  do {
    const page = await ledger.reports.exchanges({ filter: {}, limit: 5, before });
    seen.push(...page.data.map(({ id }) => id));
    before = page.next_cursor && Buffer.from(page.next_cursor, 'base64url').toString();
    ledger.record(settled({ startedAt: START + HOUR }));
    await ledger.flush();
  } while (before);
  assert.deepEqual(seen, ids);
});

test('a page that ends with the last exchange has no next one', async (t) => {
  const ledger = temporaryLedger(t);
  for (let each = 0; each < 5; each += 1) ledger.record(settled());
  await ledger.flush();
  const page = await ledger.reports.exchanges({ filter: {}, limit: 5, before: null });
  assert.equal(page.data.length, 5);
  assert.equal(page.next_cursor, null);
});

test('a filter finds what lies thousands of rows back', async (t) => {
  const ledger = temporaryLedger(t, { path: ':memory:' });
  ledger.record(settled({ startedAt: START, provider: 'rare' }));
  for (let each = 1; each <= 4100; each += 1) ledger.record(settled({ startedAt: START + each }));
  await ledger.flush();
  const page = await ledger.reports.exchanges({ filter: { provider: 'rare' }, limit: 5, before: null });
  assert.equal(page.data.length, 1);
  assert.equal(page.data[0]?.provider, 'rare');
  assert.equal(page.next_cursor, null);
});

test('a detail has the attempts in order, the derived sums, and unknown as null', async (t) => {
  const ledger = temporaryLedger(t);
  const exchange = settled({
    startedAt: START,
    totalUs: 1234,
    costNano: 2_500_000,
    usage: usage({ inputUncached: 10, cacheRead: 5, reasoning: 3 }),
    attempts: [
      attempt({ status: 429, rateLimit: '{"x-ratelimit-remaining":"0"}', totalUs: 1500 }),
      attempt({ number: 2, rateLimit: 'not json' }),
    ],
  });
  ledger.record(exchange);
  await ledger.flush();
  const detail = await ledger.reports.exchange(exchange.id);
  assert.equal(detail?.started_at, '2026-05-10T00:00:00.000Z');
  assert.equal(detail.total_ms, 1.234);
  assert.equal(detail.cost_usd, 0.0025);
  assert.equal(detail.input_tokens, 15);
  assert.equal(detail.output_tokens, 3);
  assert.equal(detail.total_tokens, 18);
  assert.equal(detail.cache_write_tokens, null);
  assert.equal(detail.queue_ms, null);
  assert.deepEqual(
    detail.attempts.map(({ number, status, total_ms, rate_limit }) => ({
      number,
      status,
      total_ms,
      rate_limit,
    })),
    [
      { number: 1, status: 429, total_ms: 1.5, rate_limit: { 'x-ratelimit-remaining': '0' } },
      { number: 2, status: 200, total_ms: null, rate_limit: null },
    ],
  );
  assert.deepEqual(detail.payloads, []);
  assert.equal(await ledger.reports.exchange('no such id'), null);
});
