import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIGRATIONS, oldDatabase } from '../ledger/old-database.js';
import { attempt, query, settled, temporaryLedger, temporaryPath } from './ledger-fixture.js';

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

test('a database of an earlier version has its attempts counted as if they had always been', async (t) => {
  const path = oldDatabase(t, { migrations: 1, settledThen: recorded, rollup: firstRollup });
  const upgraded = temporaryLedger(t, { path });
  const freshPath = temporaryPath(t);
  const fresh = temporaryLedger(t, { path: freshPath });
  for (const exchange of recorded) fresh.record(exchange);
  await fresh.flush();

  const rollups = 'select * from attempt_rollups order by hour, route, provider, reason';
  assert.equal(query(path, rollups).length, 3);
  assert.deepEqual(query(path, rollups), query(freshPath, rollups));
  assert.deepEqual(query(path, 'select hour, provider, exchanges, total_us from rollups'), [
    { hour: START, provider: 'calm', exchanges: 3, total_us: 42 },
  ]);

  for (const ledger of [upgraded, fresh]) {
    ledger.record(passedOver());
    await ledger.flush();
  }
  assert.equal(query(path, rollups).length, 3);
  assert.deepEqual(query(path, rollups), query(freshPath, rollups));
});

for (let migrations = 1; migrations <= MIGRATIONS; migrations += 1) {
  test(`a database of migration ${migrations} of ${MIGRATIONS} keeps all it held, and can be written`, async (t) => {
    const settledThen = recorded;
    const path = oldDatabase(t, { migrations, settledThen, rollup: migrations === 1 ? firstRollup : rollup });
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
    assert.equal(ledger.health().written, 1);
    assert.deepEqual(query(path, 'select count(*) as n from exchanges'), [{ n: recorded.length + 1 }]);
    assert.equal((await ledger.reports.exchange(recorded[0]?.id ?? ''))?.attempts.length, 2);
    assert.deepEqual(query(path, 'pragma integrity_check'), [{ integrity_check: 'ok' }]);
    assert.deepEqual(query(path, 'pragma foreign_key_check'), []);
  });
}
