import assert from 'node:assert/strict';
import { test } from 'node:test';
import SQLite from 'better-sqlite3';
import { createQueue } from '../../src/db/queue.js';
import type { Exchange } from '../../src/exchange.js';
import { lock, memoryLogger, query, settled, temporaryLedger, temporaryPath } from './ledger-fixture.js';

test('while another process holds the database nothing is lost, and it is said once', async (t) => {
  const path = temporaryPath(t);
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
  assert.deepEqual(ledger.health(), { status: 'ok', queued: 0, written: 2, dropped: 0, error: null });
  assert.equal(query(path, 'select * from exchanges').length, 2);
  assert.deepEqual(logger.lines, [
    'warn ledger cannot write: exchanges are kept queued',
    'info ledger writes again',
  ]);
});

test('a failed write is tried again by itself, with growing pauses', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const path = temporaryPath(t);
  const ledger = temporaryLedger(t, { path });
  const unlock = lock(t, path);
  ledger.record(settled());
  t.mock.timers.tick(50);
  t.mock.timers.tick(100);
  assert.equal(ledger.health().status, 'degraded');
  unlock();
  t.mock.timers.tick(199);
  assert.equal(ledger.health().queued, 1);
  t.mock.timers.tick(1);
  assert.deepEqual(ledger.health(), { status: 'ok', queued: 0, written: 1, dropped: 0, error: null });
});

test('rows of a transaction that fails as a whole are written once when it succeeds', async (t) => {
  const path = temporaryPath(t);
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

test('a full queue gives up the oldest successes and keeps the failures', async (t) => {
  const path = temporaryPath(t);
  const logger = memoryLogger();
  const ledger = temporaryLedger(t, { path, logger, queueLimit: 3 });
  const unlock = lock(t, path);
  const failure = settled({ outcome: 'failed', endReason: 'upstream_error' });
  const last = settled();
  const newest = settled();
  for (const exchange of [failure, settled(), settled(), last, newest]) ledger.record(exchange);
  assert.equal(ledger.health().dropped, 2);
  assert.equal(ledger.health().queued, 3);
  unlock();
  await ledger.flush();
  const stored = query<{ id: string }>(path, 'select id from exchanges order by seq').map(({ id }) => id);
  assert.deepEqual(stored, [failure.id, last.id, newest.id]);
  assert.deepEqual(logger.lines, ['error ledger queue is full: exchanges are being dropped']);
});

test('a queue full of failures takes no success, and the newest failure for the oldest', () => {
  const queue = createQueue(2);
  const failures = [1, 2, 3].map(() => settled({ outcome: 'failed' }));
  const lost = [...failures.slice(0, 2), settled(), ...failures.slice(2)].map((each) => queue.push(each));
  assert.deepEqual(lost, [0, 0, 1, 1]);
  let batch: Exchange[] = [];
  queue.forward(10, (exchanges) => {
    batch = exchanges;
  });
  assert.deepEqual(batch, failures.slice(1));
  assert.equal(queue.size, 0);
});

test('the queue keeps its order over many rounds of mixed outcomes', () => {
  const queue = createQueue(10_000);
  const pushed: Exchange[] = [];
  const taken: Exchange[] = [];
  for (let round = 0; round < 50; round += 1) {
    for (let each = 0; each < 100; each += 1) {
      const exchange = settled({ outcome: each % 3 === 0 ? 'failed' : 'ok' });
      pushed.push(exchange);
      assert.equal(queue.push(exchange), 0);
    }
    queue.forward(90, (batch) => taken.push(...batch));
  }
  queue.forward(10_000, (batch) => taken.push(...batch));
  assert.deepEqual(
    taken.map(({ id }) => id),
    pushed.map(({ id }) => id),
  );
});

test('close writes what is queued, and nothing can be recorded after', async (t) => {
  const path = temporaryPath(t);
  const ledger = temporaryLedger(t, { path });
  for (let row = 0; row < 700; row += 1) ledger.record(settled());
  await Promise.all([ledger.close(), ledger.close()]);
  assert.equal(query(path, 'select * from exchanges').length, 700);
  ledger.record(settled());
  await ledger.flush();
  assert.equal(ledger.health().dropped, 1);
});

test('close waits for a lock that goes away', async (t) => {
  const path = temporaryPath(t);
  const ledger = temporaryLedger(t, { path, closeWithin: 10_000 });
  const unlock = lock(t, path);
  ledger.record(settled());
  const closed = ledger.close();
  unlock();
  await closed;
  assert.equal(query(path, 'select * from exchanges').length, 1);
});

test('close gives up on a broken database in time and says what is lost', async (t) => {
  const path = temporaryPath(t);
  const logger = memoryLogger();
  const ledger = temporaryLedger(t, { path, logger, closeWithin: 50 });
  lock(t, path);
  ledger.record(settled());
  await ledger.close();
  assert.ok(logger.lines.includes('error ledger closed before everything was written'));
  assert.equal(ledger.health().dropped, 1);
});
