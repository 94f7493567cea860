import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseExchangeCursor } from '../../src/db/cursors.js';
import type { Ledger } from '../../src/db/ledger.js';
import type { ExchangeFilter, ExchangePage, ExchangeSort } from '../../src/db/reports.js';
import type { Exchange, Outcome } from '../../src/exchange.js';
import { settled, temporaryLedger } from './ledger-fixture.js';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 4, 10);

/** The ids of all pages, in turn. */
async function idsOf(ledger: Ledger, filter: ExchangeFilter, limit = 5, sort: ExchangeSort = 'newest') {
  const ids: string[] = [];
  let after: string | null = null;
  let pages = 0;
  do {
    const page: ExchangePage = await ledger.reports.exchanges({ filter, limit, sort, after });
    assert.ok(page.data.length <= limit);
    ids.push(...page.data.map(({ id }) => id));
    after = page.next_cursor && parseExchangeCursor(sort, page.next_cursor);
    pages += 1;
  } while (after !== null);
  return { ids, pages };
}

const name = fc.constantFrom('a', 'b', 'c');
const outcome = fc.constantFrom<Outcome>('ok', 'failed', 'aborted');
const someExchange = fc
  .record({
    startedAt: fc.oneof(
      fc.integer({ min: START, max: START + 12 * HOUR }),
      fc.integer({ min: 0, max: 12 }).map((hours) => START + hours * HOUR),
    ),
    provider: fc.option(name, { nil: null }),
    model: name,
    route: fc.option(name, { nil: null }),
    key: fc.option(name, { nil: null }),
    session: fc.option(name, { nil: null }),
    outcome,
    totalUs: fc.nat({ max: 9000 }),
    skewMs: fc.integer({ min: -60_000, max: 60_000 }),
  })
  .map(({ skewMs, ...fields }) => ({
    ...settled({ ...fields, startedAt: fields.startedAt + skewMs }),
    startedAt: fields.startedAt,
    status: fields.outcome === 'failed' ? 502 : 200,
  }));
const filters = {
  provider: name,
  model: name,
  route: name,
  key: name,
  session: name,
  outcome,
  status: fc.constantFrom(200, 502),
  minTotalMs: fc.nat({ max: 9 }),
  since: fc.integer({ min: START - HOUR, max: START + 6 * HOUR }),
  until: fc.integer({ min: START + 6 * HOUR, max: START + 13 * HOUR }),
};
/** Few at a time, so that something matches. */
const someFilter = fc
  .tuple(fc.record(filters), fc.subarray(Object.keys(filters), { maxLength: 3 }))
  .map(
    ([all, names]): ExchangeFilter =>
      Object.fromEntries(Object.entries(all).filter(([key]) => names.includes(key))),
  );

function matches(exchange: Exchange, { minTotalMs, since, until, ...equal }: ExchangeFilter): boolean {
  return (
    Object.entries(equal).every(([key, value]) => Reflect.get(exchange, key) === value) &&
    (minTotalMs === undefined || (exchange.totalUs ?? 0) >= minTotalMs * 1000) &&
    (since === undefined || exchange.startedAt >= since) &&
    (until === undefined || exchange.startedAt < until)
  );
}

test('the pages of any filter hold every exchange that matches, once and in order', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(someExchange, { minLength: 20, maxLength: 80 }),
      fc.array(fc.tuple(someFilter, fc.integer({ min: 1, max: 7 })), { minLength: 4, maxLength: 4 }),
      async (exchanges, queries) => {
        const ledger = temporaryLedger(t, { path: ':memory:' });
        for (const exchange of exchanges) ledger.record(exchange);
        await ledger.flush();
        for (const [filter, limit] of queries) {
          const expected = exchanges.filter((each) => matches(each, filter)).map(({ id }) => id);
          expected.sort();
          assert.deepEqual((await idsOf(ledger, filter, limit, 'oldest')).ids, expected);
          assert.deepEqual((await idsOf(ledger, filter, limit, 'newest')).ids, expected.toReversed());
        }
        await ledger.close();
      },
    ),
    { numRuns: 60 },
  );
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
  let after: string | null = null;
  do {
    const page: ExchangePage = await ledger.reports.exchanges({ filter: {}, limit: 5, after });
    seen.push(...page.data.map(({ id }) => id));
    after = page.next_cursor && parseExchangeCursor('newest', page.next_cursor);
    ledger.record(settled({ startedAt: START + HOUR }));
    await ledger.flush();
  } while (after !== null);
  assert.deepEqual(seen, ids);
});

test('a page that ends with the last exchange has no next one', async (t) => {
  const ledger = temporaryLedger(t);
  for (let each = 0; each < 5; each += 1) ledger.record(settled());
  await ledger.flush();
  const page = await ledger.reports.exchanges({ filter: {}, limit: 5, after: null });
  assert.equal(page.data.length, 5);
  assert.equal(page.next_cursor, null);
});

test('what lies thousands of rows back is found, by pages that are short rather than slow', async (t) => {
  const ledger = temporaryLedger(t, { path: ':memory:' });
  const rare = settled({ startedAt: START, provider: 'rare', totalUs: 9_000_000 });
  ledger.record(rare);
  for (let each = 1; each <= 7000; each += 1) ledger.record(settled({ startedAt: START + each }));
  await ledger.flush();
  assert.deepEqual(await idsOf(ledger, { minTotalMs: 9000 }), { ids: [rare.id], pages: 3 });
});

test('hours in which nothing matches are leapt over', async (t) => {
  const ledger = temporaryLedger(t, { path: ':memory:' });
  const rare = settled({ startedAt: START, provider: 'rare', key: 'web' });
  ledger.record(rare);
  for (let each = 1; each <= 7000; each += 1) {
    ledger.record(settled({ startedAt: START + 2 * HOUR + each, key: 'web' }));
  }
  await ledger.flush();
  assert.deepEqual(await idsOf(ledger, { provider: 'rare' }), { ids: [rare.id], pages: 1 });
  assert.deepEqual(await idsOf(ledger, { provider: 'rare', key: 'web' }), { ids: [rare.id], pages: 1 });
  assert.deepEqual(await idsOf(ledger, { provider: 'rare', key: 'ops' }), { ids: [], pages: 1 });
});

test('a cursor of another order is refused', () => {
  const cursor = Buffer.from(`newest ${settled().id}`).toString('base64url');
  assert.throws(() => parseExchangeCursor('oldest', cursor), /cursor must be the next_cursor/);
  assert.notEqual(parseExchangeCursor('newest', cursor), null);
});
