import assert from 'node:assert/strict';
import { test } from 'node:test';
import SQLite from 'better-sqlite3';
import {
  healthy,
  lock,
  memoryLogger,
  query,
  settled,
  temporaryLedger,
  temporaryPath,
  until,
} from './ledger-fixture.js';

test('while another process holds the database nothing is lost, and it is said once', async (t) => {
  const path = temporaryPath();
  const logger = memoryLogger();
  const ledger = temporaryLedger(t, { path, logger });
  const unlock = lock(t, path);
  ledger.record(settled());
  await ledger.flush();
  ledger.record(settled());
  await ledger.flush();
  assert.equal(ledger.health().status, 'degraded');
  assert.match(ledger.health().error ?? '', /locked/);
  assert.equal(ledger.health().queued, 2);

  unlock();
  await ledger.flush();
  assert.deepEqual(ledger.health(), healthy({ written: 2 }));
  assert.equal(query(path, 'select * from exchanges').length, 2);
  assert.deepEqual(logger.lines, [
    'warn ledger cannot write: exchanges are kept queued',
    'info ledger writes again',
  ]);
});

test('a failed write is tried again by itself', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  await ledger.flush();
  const unlock = lock(t, path);
  ledger.record(settled());
  await until(() => ledger.health().status === 'degraded');
  assert.equal(ledger.health().queued, 1);
  unlock();
  await until(() => ledger.health().queued === 0);
  assert.deepEqual(ledger.health(), healthy({ written: 1 }));
});

test('rows of a transaction that fails as a whole are written once when it succeeds', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  const client = new SQLite(path);
  t.after(() => client.close());
  client.exec('alter table rollups rename to hidden');
  for (let row = 0; row < 3; row += 1) ledger.record(settled());
  await ledger.flush();
  assert.equal(ledger.health().status, 'degraded');
  assert.equal(query(path, 'select * from exchanges').length, 0);
  client.exec('alter table hidden rename to rollups');
  await ledger.flush();
  assert.equal(query(path, 'select * from exchanges').length, 3);
  assert.deepEqual(query(path, 'select sum(exchanges) as sum from rollups'), [{ sum: 3 }]);
});

test('close writes what is queued, and nothing can be recorded after', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  for (let row = 0; row < 700; row += 1) ledger.record(settled());
  await Promise.all([ledger.close(), ledger.close()]);
  assert.equal(query(path, 'select * from exchanges').length, 700);
  ledger.record(settled());
  await ledger.flush();
  assert.equal(ledger.health().dropped, 1);
});

test('close waits for a lock that goes away', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path, closeWithin: 10_000 });
  const unlock = lock(t, path);
  ledger.record(settled());
  const closed = ledger.close();
  unlock();
  await closed;
  assert.equal(query(path, 'select * from exchanges').length, 1);
});

test('close gives up on a broken database in time and says what is lost', async (t) => {
  const path = temporaryPath();
  const logger = memoryLogger();
  const ledger = temporaryLedger(t, { path, logger, closeWithin: 50 });
  lock(t, path);
  ledger.record(settled());
  await ledger.close();
  assert.ok(logger.lines.includes('error ledger closed before everything was written'));
  assert.equal(ledger.health().dropped, 1);
});
