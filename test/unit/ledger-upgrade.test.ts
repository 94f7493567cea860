import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addValue, createHistogram, encodeHistogram } from '../../src/db/histogram.js';
import type { Dimension } from '../../src/db/reports.js';
import type { Exchange } from '../../src/exchange.js';
import { alignWindow, parseWindow } from '../../src/window.js';
import { MIGRATIONS, oldDatabase } from '../ledger/old-database.js';
import { attempt, query, settled, temporaryLedger, temporaryPath, usage } from './ledger-fixture.js';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 4, 10);
/** Rollups before and after attempts were counted apart. */
const firstRollup = `insert into rollups (hour, route, provider, model, key, outcome, streaming, exchanges, attempts,
  usage_known, cost_known, total_us, total_histogram, first_content_histogram)
  values (${START}, '', 'calm', 'm', '', 'ok', 0, 3, 7, 0, 0, 42, x'', x'')`;
const rollup = firstRollup.replace(' attempts,', '').replace(' 3, 7,', ' 3,');

/** Its attempt has no reason, which the primary key of the rollups does not take. */
const passedOver = () =>
  settled({
    startedAt: START + HOUR,
    attempts: [attempt({ provider: 'busy', decision: 'skipped', reason: null })],
  });

const recorded = [
  settled({
    startedAt: START + 5,
    route: 'demo',
    attempts: [
      attempt({ provider: 'busy', reason: 'http_429', totalUs: 10 }),
      attempt({ number: 2, provider: 'calm', totalUs: null }),
    ],
  }),
  settled({
    startedAt: START + HOUR - 1,
    route: 'demo',
    attempts: [attempt({ provider: 'busy', reason: 'http_429', totalUs: 5 })],
  }),
  passedOver(),
  settled({ startedAt: START + HOUR }),
];

const attemptsOf = (path: string) =>
  query(
    path,
    `select hour, route, provider, model, each.key as reason, sum(each.value) as attempts
     from rollups, json_each(counts) each where each.key like 'sent/%' or each.key like 'skipped/%'
     group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5`,
  );

test('a database of an earlier version has its attempts counted as if they had always been', async (t) => {
  const path = oldDatabase({ migrations: 1, settledThen: recorded, rollup: firstRollup });
  const upgraded = temporaryLedger(t, { path });
  const freshPath = temporaryPath();
  const fresh = temporaryLedger(t, { path: freshPath });
  for (const exchange of recorded) fresh.record(exchange);
  await fresh.flush();

  assert.equal(attemptsOf(path).length, 3);
  assert.deepEqual(attemptsOf(path), attemptsOf(freshPath));
  assert.deepEqual(
    query(path, 'select hour, provider, exchanges, total_us from rollups where exchanges > 0'),
    [{ hour: START, provider: 'calm', exchanges: 3, total_us: 42 }],
  );

  for (const ledger of [upgraded, fresh]) {
    ledger.record(passedOver());
    await ledger.flush();
  }
  assert.equal(attemptsOf(path).length, 3);
  assert.deepEqual(attemptsOf(path), attemptsOf(freshPath));
});

test('the statistics of an upgraded database are those of one that was never older', async (t) => {
  const now = Date.now();
  const stream = {
    streaming: true,
    provider: 'calm',
    firstContentUs: 2000,
    lastByteUs: 12_000,
    usage: usage({ outputText: 7 }),
  };
  const settledThen = [
    settled({ ...stream, startedAt: now - 5 * HOUR, attempts: [attempt()] }),
    settled({ ...stream, startedAt: now - 60_000, attempts: [attempt({ reason: 'http_429' })] }),
    settled({ startedAt: now - 72 * HOUR, key: 'web', outcome: 'failed', endReason: 'upstream_error' }),
  ];
  const path = oldDatabase({ migrations: 3, settledThen, rollup: rollupsOf(settledThen) });
  const fresh = temporaryLedger(t);
  for (const exchange of settledThen) fresh.record(exchange);
  await fresh.flush();
  const upgraded = temporaryLedger(t, { path });
  for (const span of ['7d', '6h', '10m']) {
    const window = alignWindow(parseWindow(span, undefined, now), now);
    for (const groupBy of [[], ['key'], ['provider'], ['route'], ['provider', 'outcome']] as Dimension[][]) {
      const asked = { window, groupBy };
      assert.deepEqual(await upgraded.reports.totals(asked), await fresh.reports.totals(asked));
    }
  }
});

/** The rollups that version kept of its rows. */
function rollupsOf(exchanges: readonly Exchange[]): string {
  const names = ['route', 'provider', 'model', 'key'] as const;
  const values = exchanges.map((exchange) => {
    const hour = Math.floor(exchange.startedAt / HOUR) * HOUR;
    const texts = [...names.map((name) => exchange[name] ?? ''), exchange.outcome].map((text) => `'${text}'`);
    const [total, first] = [exchange.totalUs, exchange.firstContentUs].map((us) => {
      const histogram = createHistogram();
      if (us !== null) addValue(histogram, us);
      return `x'${Buffer.from(encodeHistogram(histogram)).toString('hex')}'`;
    });
    const known = exchange.usage === null ? 0 : 1;
    return `(${hour}, ${texts.join(', ')}, ${Number(exchange.streaming)}, 1, ${known}, 0,
      ${exchange.usage?.outputText ?? 'null'}, ${exchange.totalUs}, ${total}, ${first})`;
  });
  return `insert into rollups (hour, ${names.join(', ')}, outcome, streaming, exchanges, usage_known, cost_known,
    output_text_tokens, total_us, total_histogram, first_content_histogram) values ${values.join(', ')}`;
}

for (let migrations = 1; migrations <= MIGRATIONS; migrations += 1) {
  test(`a database of migration ${migrations} of ${MIGRATIONS} keeps all it held, and can be written`, async (t) => {
    const settledThen = recorded;
    const path = oldDatabase({ migrations, settledThen, rollup: migrations === 1 ? firstRollup : rollup });
    const ledger = temporaryLedger(t, { path });
    assert.deepEqual(
      query(path, 'select id from exchanges order by seq'),
      recorded.map(({ id }) => ({ id })),
    );
    assert.deepEqual(query(path, 'select sum(exchanges) as n, sum(total_us) as us from rollups'), [
      { n: 3, us: 42 },
    ]);
    ledger.record(passedOver());
    await ledger.flush();
    assert.equal(ledger.health().written, 1, JSON.stringify(ledger.health()));
    assert.deepEqual(query(path, 'select count(*) as n from exchanges'), [{ n: recorded.length + 1 }]);
    assert.equal((await ledger.reports.exchange(recorded[0]?.id ?? ''))?.attempts.length, 2);
    assert.deepEqual(query(path, 'pragma integrity_check'), [{ integrity_check: 'ok' }]);
    assert.deepEqual(query(path, 'pragma foreign_key_check'), []);
  });
}
