import assert from 'node:assert/strict';
import { test } from 'node:test';
import SQLite from 'better-sqlite3';
import fc from 'fast-check';
import type { Counters, Dimension } from '../../src/db/reports.js';
import { partsOf } from '../../src/db/totals.js';
import type { EndReason, Exchange, Outcome } from '../../src/exchange.js';
import { alignWindow } from '../../src/window.js';
import {
  attempt,
  query,
  recordedInParts,
  settled,
  temporaryLedger,
  temporaryPath,
  usage,
} from './ledger-fixture.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2026, 4, 10);
const all = { since: 0, until: START + 100 * HOUR };
/** Two hours of it are known to the minute, the rest to the hour. */
const RECENT = Math.floor(Date.now() / HOUR) * HOUR - 50 * HOUR;

const count = fc.option(fc.nat({ max: 5000 }), { nil: null });
const name = fc.option(fc.constantFrom('a', 'b', 'a,b', '"'), { nil: null });
const outcome = fc.constantFrom<Outcome>('ok', 'rejected', 'failed', 'aborted', 'truncated');

const someExchange = fc
  .record({
    startedAt: fc.oneof(
      fc.integer({ min: START, max: START + 4 * HOUR }),
      fc.integer({ min: RECENT, max: RECENT + 4 * HOUR }),
    ),
    provider: name,
    model: name,
    route: name,
    key: name,
    outcome,
    endReason: fc.constantFrom<EndReason>('complete', 'upstream_error', 'client_gone'),
    streaming: fc.boolean(),
    costNano: count,
    dearestCostNano: count,
    lastByteUs: count,
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

const known = (values: (number | null | undefined)[]): number | null => {
  const numbers = values.filter((value) => typeof value === 'number');
  return numbers.length === 0 ? null : numbers.reduce((left, right) => left + right, 0);
};

/** The counters that have exactly one right value. */
function expected(exchanges: Exchange[]) {
  const cost = sum(exchanges, (each) => each.costNano);
  const total = sum(exchanges, (each) => each.totalUs);
  const timed = exchanges.filter((each) => each.totalUs !== null).length;
  const input = (each: Exchange) =>
    known([each.usage?.inputUncached, each.usage?.cacheRead, each.usage?.cacheWrite]);
  const output = (each: Exchange) => known([each.usage?.outputText, each.usage?.reasoning]);
  const streamUs = (each: Exchange) => (each.lastByteUs ?? 0) - (each.firstContentUs ?? Number.MAX_VALUE);
  const streams = exchanges.filter(
    (each) => each.streaming && output(each) !== null && each.lastByteUs !== null && streamUs(each) > 0,
  );
  const compared = exchanges.filter((each) => each.costNano !== null && each.dearestCostNano !== null);
  const savings = sum(compared, (each) => (each.dearestCostNano ?? 0) - (each.costNano ?? 0));
  const reported = exchanges.filter((each) => each.costNano !== null && each.usage?.providerCostNano != null);
  const difference = sum(reported, (each) => (each.usage?.providerCostNano ?? 0) - (each.costNano ?? 0));
  const reads = sum(exchanges, (each) => each.usage?.cacheRead);
  const inputs = sum(exchanges, input);
  const speed = sum(streams, output);
  const reasons = new Map<string, number>();
  for (const { outcome: how, endReason } of exchanges) {
    if (how !== 'ok') reasons.set(`${endReason}`, (reasons.get(`${endReason}`) ?? 0) + 1);
  }
  return {
    exchanges: exchanges.length,
    ok: exchanges.filter((each) => each.outcome === 'ok').length,
    truncated: exchanges.filter((each) => each.outcome === 'truncated').length,
    end_reasons: Object.fromEntries(reasons),
    cost_usd: cost === null ? null : cost / 1e9,
    cost_known: exchanges.filter((each) => each.costNano !== null).length,
    cost_difference_usd: difference === null ? null : difference / 1e9,
    cost_difference_known: reported.length,
    savings_usd: savings === null ? null : savings / 1e9,
    savings_known: compared.length,
    audio_tokens: sum(exchanges, (each) => audioOf(each.usage)),
    input_tokens: inputs,
    output_tokens: sum(exchanges, output),
    cache_hit_share: reads === null || !inputs ? null : reads / inputs,
    tokens_per_second:
      speed === null ? null : Math.round((speed / (sum(streams, streamUs) ?? 0)) * 1e9) / 1000,
    bytes_in: sum(exchanges, (each) => each.bytesIn),
    mean: total === null ? null : Math.round(total / timed) / 1000,
  };
}

function assertCounters(counters: Counters, exchanges: Exchange[]): void {
  const { mean, ...sums } = expected(exchanges);
  for (const [key, value] of Object.entries(sums)) assert.deepEqual(Reflect.get(counters, key), value, key);
  assert.equal(counters.total_ms.mean, mean);
}

const dimensions: Dimension[] = ['provider', 'model', 'route', 'key', 'outcome', 'streaming'];
const instant = fc.oneof(
  fc.integer({ min: START - HOUR, max: START + 5 * HOUR }),
  fc.integer({ min: RECENT - HOUR, max: RECENT + 5 * HOUR }),
);
const windows = fc
  .uniqueArray(instant, { minLength: 2, maxLength: 2 })
  .map((bounds) => alignWindow({ since: Math.min(...bounds), until: Math.max(...bounds) }, Date.now()));
const textOf = (exchange: Exchange, name: Dimension) =>
  name === 'streaming' ? String(Number(exchange.streaming)) : exchange[name];
const filters = fc.record(
  {
    provider: fc.constantFrom('a', 'b'),
    model: fc.constantFrom('a', '"'),
    route: fc.constantFrom('a', 'b'),
    key: fc.constantFrom('a,b', 'b'),
    outcome,
    streaming: fc.constantFrom('0', '1'),
  },
  { requiredKeys: [] },
);

/** A single one matches enough to be wrong about. */
const oneFilter = fc
  .tuple(fc.constantFrom<Dimension>('provider', 'model', 'route', 'key'), fc.constantFrom('a', 'b'))
  .map(([dimension, value]) => ({ [dimension]: value }));

test('totals and groups of any window are those of its exchanges, also when they were removed', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(someExchange, { maxLength: 40 }),
      windows,
      fc.subarray(dimensions, { maxLength: 3 }),
      fc.oneof(fc.constant({}), oneFilter, filters),
      async (exchanges, window, groupBy, filter) => {
        const ledger = temporaryLedger(t, { path: ':memory:' });
        for (const exchange of exchanges) ledger.record(exchange);
        await ledger.flush();
        for (const { id } of exchanges.slice(0, exchanges.length / 3)) {
          assert.equal(await ledger.reports.remove(id), true);
        }
        const { totals, data } = await ledger.reports.totals({ window, groupBy, filter });
        await ledger.close();

        const inside = exchanges.filter(
          (each) =>
            each.startedAt >= window.since &&
            each.startedAt < window.until &&
            Object.entries(filter).every(([name, value]) => textOf(each, name as Dimension) === value),
        );
        assertCounters(totals, inside);
        const names = new Set(inside.map((each) => JSON.stringify(groupBy.map((key) => each[key]))));
        assert.equal(data.length, groupBy.length === 0 ? 0 : names.size);
        for (const group of data) {
          assertCounters(
            group,
            inside.filter((each) => groupBy.every((key) => each[key] === group[key])),
          );
        }
      },
    ),
    { numRuns: 80 },
  );
});

test('the points of a time series are the totals of their spans', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(someExchange, { maxLength: 40 }),
      fc.constantFrom(MINUTE * 5, HOUR, 6 * HOUR, 24 * HOUR),
      fc.constantFrom<Dimension[]>([], ['provider'], ['key'], ['provider', 'outcome']),
      async (exchanges, step, groupBy) => {
        const ledger = temporaryLedger(t, { path: ':memory:' });
        for (const exchange of exchanges) ledger.record(exchange);
        await ledger.flush();
        const asked =
          step < HOUR
            ? { since: RECENT + 3 * HOUR, until: RECENT + 8 * HOUR }
            : { since: RECENT - 30 * HOUR, until: RECENT + 30 * HOUR };
        const window = alignWindow(asked, Date.now(), step);
        const { times, series, data } = await ledger.reports.totals({ window, groupBy, step });
        assert.equal(times.length, (window.until - window.since) / step);
        assert.equal(series === null, groupBy.length > 0);
        for (const line of groupBy.length === 0 ? [{ series }] : data) {
          for (const [position, time] of times.entries()) {
            const at = Date.parse(time);
            const inside = exchanges.filter(
              (each) =>
                each.startedAt >= at &&
                each.startedAt < at + step &&
                groupBy.every((name) => each[name] === Reflect.get(line, name)),
            );
            const right = expected(inside);
            assert.equal(line.series?.exchanges[position], right.exchanges);
            assert.equal(line.series?.ok[position], right.ok);
            assert.equal(line.series?.cost_usd[position], right.cost_usd);
            assert.equal(line.series?.input_tokens[position], right.input_tokens);
            assert.equal(line.series?.tokens_per_second[position], right.tokens_per_second);
            assert.equal(line.series?.total_ms.mean[position], right.mean);
            assert.equal(line.series?.total_ms.p99[position] === null, right.mean === null);
          }
        }
        await ledger.close();
      },
    ),
    { numRuns: 40 },
  );
});

test('what was read before and has changed since is read again', async (t) => {
  const ledger = temporaryLedger(t);
  const record = async (fields: Partial<Exchange>) => {
    ledger.record(settled(fields));
    await ledger.flush();
  };
  const window = { since: START, until: START + 72 * HOUR };
  const asked = (groupBy: Dimension[]) => ledger.reports.totals({ window, groupBy, step: HOUR });
  await record({ startedAt: START + 5 * HOUR, provider: 'a' });
  for (const groupBy of [[], ['provider', 'outcome']] as Dimension[][]) {
    const first = await asked(groupBy);
    assert.deepEqual(await asked(groupBy), first);
    await record({ startedAt: START + 5 * HOUR, provider: 'a', totalUs: 1000 });
    await record({ startedAt: START + 30 * HOUR, provider: 'b' });
    const { totals, series, data } = await asked(groupBy);
    assert.equal(totals.exchanges, first.totals.exchanges + 2);
    const [line] = groupBy.length === 0 ? [{ series }] : data;
    const before = groupBy.length === 0 ? first.series : first.data[0]?.series;
    assert.equal(line?.series?.exchanges[5], (before?.exchanges[5] ?? 0) + 1);
  }
});

test('rollups hold exactly the sums of the rows', async (t) => {
  const columns = `sum(input_uncached_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
    sum(output_text_tokens), sum(reasoning_tokens), sum(audio_tokens), sum(cost_nano), sum(provider_cost_nano),
    sum(bytes_in), sum(bytes_out), sum(total_us)`;
  const names = `coalesce(route, ''), coalesce(provider, ''), coalesce(model, ''), coalesce(key, ''),
    outcome, streaming`;
  const minutesSince = Math.floor((Date.now() - 49 * HOUR) / MINUTE) * MINUTE;
  await fc.assert(
    fc.asyncProperty(
      fc.array(someExchange, { maxLength: 60 }),
      fc.nat({ max: 60 }),
      async (exchanges, pause) => {
        const { path, ledger } = await recordedInParts(t, exchanges, pause);
        for (const [table, at, length, since] of [
          ['rollups', 'hour', HOUR, 0],
          ['minute_rollups', 'minute', MINUTE, minutesSince],
        ] as const) {
          const fromRows = query(
            path,
            `select started_at / ${length} as at, ${names}, count(*) as exchanges, ${columns}
           from exchanges where started_at >= ${since} group by 1, 2, 3, 4, 5, 6, 7 order by 1, 2, 3, 4, 5, 6, 7`,
          );
          const fromRollups = query(
            path,
            `select ${at} / ${length} as at, ${names}, sum(exchanges) as exchanges, ${columns}
           from ${table} where ${at} >= ${since} group by 1, 2, 3, 4, 5, 6, 7 order by 1, 2, 3, 4, 5, 6, 7`,
          );
          assert.deepEqual(fromRollups, fromRows);
        }
        await ledger.close();
      },
    ),
    { numRuns: 15 },
  );
});

test('a window is read by whole days and hours, and what is left by minutes', () => {
  const [early, late] = [HOUR - 10 * MINUTE, 3 * HOUR + 5 * MINUTE];
  assert.deepEqual(partsOf({ since: early, until: late }), [
    { since: early, until: HOUR, step: MINUTE },
    { since: HOUR, until: 3 * HOUR, step: HOUR },
    { since: 3 * HOUR, until: late, step: MINUTE },
  ]);
  const days = { since: 23 * HOUR, until: 73 * HOUR };
  assert.deepEqual(partsOf(days), [
    { since: 23 * HOUR, until: 24 * HOUR, step: HOUR },
    { since: 24 * HOUR, until: 72 * HOUR, step: 24 * HOUR },
    { since: 72 * HOUR, until: 73 * HOUR, step: HOUR },
  ]);
  assert.equal(partsOf(days, HOUR)[1]?.step, HOUR);
  assert.equal(partsOf(days, 24 * HOUR, HOUR)[1]?.step, HOUR);
  const whole = { since: HOUR, until: 2 * HOUR };
  assert.deepEqual(partsOf(whole), [{ ...whole, step: HOUR }]);
  assert.deepEqual(partsOf(whole, 5 * MINUTE), [{ ...whole, step: MINUTE }]);
  const around = { since: HOUR - MINUTE, until: HOUR + MINUTE };
  assert.deepEqual(partsOf(around), [{ ...around, step: MINUTE }]);
});

test('minutes that are too old are removed, a few at a time', async (t) => {
  const path = temporaryPath();
  const first = temporaryLedger(t, { path });
  await first.close();
  const client = new SQLite(path);
  const old = Math.floor(Date.now() / MINUTE) * MINUTE - 51 * HOUR;
  const insert = client.prepare(
    `insert into minute_rollups (minute, route, provider, model, key, outcome, streaming, exchanges, usage_known,
       cost_known, total_histogram, first_content_histogram) values (?, '', '', '', '', 'ok', 0, 1, 0, 0, x'', x'')`,
  );
  for (let each = 0; each < 20; each += 1) insert.run(old + each * MINUTE);
  client.close();
  const left = () =>
    query<{ n: number }>(path, `select count(*) as n from minute_rollups where minute < ${old + HOUR}`)[0]?.n;
  const ledger = temporaryLedger(t, { path });
  const counts: (number | undefined)[] = [];
  for (let each = 0; each < 5; each += 1) {
    ledger.record(settled());
    await ledger.flush();
    counts.push(left());
  }
  assert.deepEqual(counts, [15, 10, 5, 0, 0]);
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
    end_reasons: {},
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
    cache_hit_share: null,
    cost_usd: null,
    cost_known: 0,
    provider_cost_usd: null,
    cost_difference_usd: null,
    cost_difference_known: 0,
    savings_usd: null,
    savings_known: 0,
    bytes_in: null,
    bytes_out: null,
    error_rate: null,
    tokens_per_second: null,
    total_ms: { mean: null, p50: null, p90: null, p95: null, p99: null },
    first_content_ms: { p50: null, p90: null, p95: null, p99: null },
  });
});

test('percentiles are within 2 %, from hours and from minutes', async (t) => {
  const ledger = temporaryLedger(t);
  const start = Math.floor(Date.now() / HOUR) * HOUR - 3 * HOUR;
  for (let each = 1; each <= 1000; each += 1) {
    ledger.record(
      settled({ startedAt: start + each * 3000, totalUs: each * 1000, firstContentUs: each * 100 }),
    );
  }
  await ledger.flush();
  const near = (read: number | null, exact: number) =>
    assert.ok(read !== null && Math.abs(read - exact) <= exact * 0.02, `${read} for ${exact}`);
  for (const window of [
    { since: start, until: start + HOUR },
    { since: start - MINUTE, until: start + 51 * MINUTE },
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
  const before = { since: START - HOUR, until: START };
  const after = { since: START, until: START + HOUR };
  assert.equal((await ledger.reports.totals({ window: before, groupBy: [] })).totals.exchanges, 1);
  assert.equal((await ledger.reports.totals({ window: after, groupBy: [] })).totals.exchanges, 0);
  assert.equal((await ledger.reports.exchanges({ filter: before, limit: 5, after: null })).data.length, 1);
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
  assert.deepEqual(detail.payloads, { request: null, response: null, events: null });
  assert.equal(await ledger.reports.exchange('no such id'), null);
});
