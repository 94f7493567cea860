import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Counters, Window } from '../../src/db/reports.js';
import {
  attempt,
  query,
  recordedInParts,
  settled,
  temporaryLedger,
  temporaryPath,
} from './ledger-fixture.js';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 4, 10);
const all = { since: 0, until: START + 100 * HOUR };

const name = fc.constantFrom('a', 'b', 'a,b');
const someAttempt = fc
  .record({
    provider: name,
    model: name,
    decision: fc.constantFrom('sent', 'skipped'),
    reason: fc.constantFrom('answered', 'http_429', 'rate_limited', 'upstream_reset', 'client_gone', null),
    totalUs: fc.option(fc.nat({ max: 5000 }), { nil: null }),
  })
  .map((fields) => attempt(fields));
const someExchange = fc
  .record({
    startedAt: fc.integer({ min: START, max: START + 4 * HOUR }),
    provider: fc.option(name, { nil: null }),
    model: fc.option(name, { nil: null }),
    route: fc.option(name, { nil: null }),
    key: fc.option(name, { nil: null }),
    attempts: fc.array(someAttempt, { maxLength: 4 }),
  })
  .map((fields) => settled(fields));

test('the rollups of attempts hold exactly the sums of their rows', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(someExchange, { maxLength: 40 }),
      fc.nat({ max: 40 }),
      async (exchanges, pause) => {
        const { path, ledger } = await recordedInParts(t, exchanges, pause);
        await ledger.close();
        const order = 'order by 1, 2, 3, 4, 5';
        const fromRows = query(
          path,
          `select started_at / ${HOUR} * ${HOUR} as hour, coalesce(e.route, '') as route, a.provider, a.model,
             decision || '/' || coalesce(reason, '') as reason, count(*) as attempts
           from attempts a join exchanges e on e.seq = a.exchange_seq group by 1, 2, 3, 4, 5 ${order}`,
        );
        const fromRollups = query(
          path,
          `select hour, route, provider, model, each.key as reason, sum(each.value) as attempts
           from rollups, json_each(counts) each where each.key like 'sent/%' or each.key like 'skipped/%'
           group by 1, 2, 3, 4, 5 ${order}`,
        );
        assert.deepEqual(fromRollups, fromRows);
      },
    ),
    { numRuns: 25 },
  );
});

const NO_ATTEMPTS = { attempts: 0, skipped: 0, failed_attempts: 0 };
const PLACES = { provider: 'a.provider', model: 'a.model', route: 'e.route', key: 'e.key' };
type Place = keyof typeof PLACES;

/** What plain SQL over the rows counts, by the group's name. */
function countRows(path: string, { since, until }: Window, groupBy: Place[]) {
  const within = `e.started_at >= ${since} and e.started_at < ${until}`;
  const joined = `attempts a join exchanges e on e.seq = a.exchange_seq where ${within}`;
  const place = `json_array(${groupBy.map((key) => PLACES[key]).join(', ')})`;
  const end = `json_array(${groupBy.map((key) => `e.${key}`).join(', ')})`;
  type Row = { place: string; attempts: number; skipped: number; failed_attempts: number };
  return {
    attempts: query<Row>(
      path,
      `select ${place} as place, sum(decision = 'sent') as attempts, sum(decision = 'skipped') as skipped,
         sum(decision = 'sent' and coalesce(reason, '') not in ('answered', 'client_gone')) as failed_attempts
       from ${joined} group by 1`,
    ),
    reasons: query<{ place: string; reason: string; attempts: number }>(
      path,
      `select ${place} as place, coalesce(reason, 'unknown') as reason, count(*) as attempts
       from ${joined} and not (decision = 'sent' and reason is 'answered') group by 1, 2 order by 2`,
    ),
    exchanges: query<{ place: string; exchanges: number }>(
      path,
      `select ${end} as place, count(*) as exchanges from exchanges e where ${within} group by 1`,
    ),
  };
}

test('attempts are counted where they were made, whatever the window and the groups', async (t) => {
  const instant = fc.integer({ min: -1, max: 5 }).map((hours) => START + hours * HOUR);
  await fc.assert(
    fc.asyncProperty(
      fc.array(someExchange, { maxLength: 40 }),
      fc.uniqueArray(instant, { minLength: 2, maxLength: 2 }),
      fc.subarray<Place>(['provider', 'model', 'route', 'key']),
      async (exchanges, bounds, groupBy) => {
        const path = temporaryPath();
        const ledger = temporaryLedger(t, { path });
        for (const exchange of exchanges) ledger.record(exchange);
        await ledger.flush();
        const window = { since: Math.min(...bounds), until: Math.max(...bounds) };
        const { totals, data } = await ledger.reports.totals({ window, groupBy });
        await ledger.close();

        const check = (keys: Place[], groups: Map<string, Counters>) => {
          const rows = countRows(path, window, keys);
          const places = [...rows.attempts, ...rows.exchanges].map(({ place }) => place);
          if (keys.length > 0) assert.deepEqual(new Set(groups.keys()), new Set(places));
          for (const [place, group] of groups) {
            const at = <Row extends { place: string }>(list: Row[]) =>
              list.filter((row) => row.place === place);
            const { attempts, skipped, failed_attempts } = group;
            const expected = at(rows.attempts)[0] ?? { place, ...NO_ATTEMPTS };
            assert.deepEqual({ place, attempts, skipped, failed_attempts }, { ...expected });
            const reasons = at(rows.reasons).map((row) => [row.reason, row.attempts]);
            assert.deepEqual(group.attempt_reasons, Object.fromEntries(reasons));
            assert.equal(group.exchanges, at(rows.exchanges)[0]?.exchanges ?? 0);
          }
        };
        check([], new Map([['[]', totals]]));
        const named = data.map((group) => [JSON.stringify(groupBy.map((key) => group[key])), group] as const);
        assert.equal(new Map(named).size, data.length);
        if (groupBy.length > 0) check(groupBy, new Map(named));
      },
    ),
    { numRuns: 60 },
  );
});

test('a provider that answers 429 to everything is seen, though others end the exchanges', async (t) => {
  const ledger = temporaryLedger(t);
  const skip = { decision: 'skipped', reason: 'rate_limited', status: null } as const;
  for (const first of [{ reason: 'http_429', status: 429 }, skip, skip]) {
    const answer = attempt({ number: 2, provider: 'calm' });
    const attempts = [attempt({ provider: 'busy', ...first }), answer];
    ledger.record(settled({ startedAt: START, provider: 'calm', attempts }));
  }
  await ledger.flush();
  const { totals, data } = await ledger.reports.totals({ window: all, groupBy: ['provider'] });
  const shown = [...data, totals].map((group) => ({
    provider: 'provider' in group ? group.provider : 'all',
    exchanges: group.exchanges,
    attempts: group.attempts,
    failed_attempts: group.failed_attempts,
    skipped: group.skipped,
    error_rate: group.error_rate,
    reasons: Object.entries(group.attempt_reasons),
  }));
  const failover = [
    ['rate_limited', 2],
    ['http_429', 1],
  ];
  const busy = { attempts: 1, failed_attempts: 1, skipped: 2, reasons: failover };
  const calm = { attempts: 3, failed_attempts: 0, skipped: 0, reasons: [] };
  assert.deepEqual(shown, [
    { provider: 'calm', exchanges: 3, error_rate: 0, ...calm },
    { provider: 'busy', exchanges: 0, error_rate: null, ...busy },
    { provider: 'all', exchanges: 3, error_rate: 0, ...busy, attempts: 4 },
  ]);
});

test('a stream that broke off after its first content is a failed attempt', async (t) => {
  const ledger = temporaryLedger(t);
  const attempts = [attempt({ reason: 'idle_timeout' })];
  ledger.record(settled({ provider: 'groq', outcome: 'truncated', endReason: 'idle_timeout', attempts }));
  await ledger.flush();
  const window = { since: 0, until: Date.now() + 1 };
  const { totals } = await ledger.reports.totals({ window, groupBy: [] });
  assert.equal(totals.attempts, 1);
  assert.equal(totals.failed_attempts, 1);
  assert.deepEqual(totals.attempt_reasons, { idle_timeout: 1 });
});

test('the attempts of a refused exchange are in no rollup', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  ledger.record(settled({ attempts: [attempt(), attempt({ startedUs: Number.NaN })] }));
  ledger.record(settled({ attempts: [attempt()] }));
  await ledger.flush();
  assert.deepEqual(
    query(
      path,
      "select sum(value) as sum from rollups, json_each(counts) each where each.key = 'sent/answered'",
    ),
    [{ sum: 1 }],
  );
});
