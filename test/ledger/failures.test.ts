import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import {
  healthy,
  lock,
  memoryLogger,
  query,
  settled,
  temporaryLedger,
  temporaryPath,
  until,
} from '../unit/ledger-fixture.js';
import { breakDown, watchThreads } from './threads.js';

const WINDOW = { since: 0, until: 2 ** 42 };
const count = (path: string) => query<{ n: number }>(path, 'select count(*) as n from exchanges')[0]?.n;
const summed = (path: string) => query<{ n: number }>(path, 'select sum(exchanges) as n from rollups')[0]?.n;

test('a database that was deleted is made anew, and nothing that is recorded after is lost', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  ledger.record(settled());
  await ledger.flush();
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  ledger.record(settled());
  ledger.record(settled());
  await ledger.flush();
  assert.deepEqual([count(path), summed(path)], [2, 2]);
  assert.equal(ledger.health().status, 'ok');
  assert.equal((await ledger.reports.totals({ window: WINDOW, groupBy: [] })).totals.exchanges, 2);
});

test('reports follow a database that was deleted or replaced', async (t) => {
  const path = temporaryPath();
  const other = temporaryPath('other.db');
  const replacement = temporaryLedger(t, { path: other });
  for (let row = 0; row < 5; row += 1) replacement.record(settled());
  await replacement.close();

  const ledger = temporaryLedger(t, { path });
  const total = async () => (await ledger.reports.totals({ window: WINDOW, groupBy: [] })).totals.exchanges;
  ledger.record(settled());
  await ledger.flush();
  assert.equal(await total(), 1);
  rmSync(path);
  await ledger.flush();
  assert.equal(await total(), 0);
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  renameSync(other, path);
  assert.equal(await total(), 5);
  ledger.record(settled());
  await ledger.flush();
  assert.equal(await total(), 6);
  assert.equal(count(path), 6);
});

test('closing leaves a database alone that took the place of the one that was opened', async (t) => {
  const path = temporaryPath();
  const other = temporaryPath('other.db');
  const replacement = temporaryLedger(t, { path: other });
  replacement.record(settled());
  await replacement.flush();
  copyFileSync(other, `${path}.new`);
  copyFileSync(`${other}-wal`, `${path}.new-wal`);

  const ledger = temporaryLedger(t, { path });
  ledger.record(settled());
  await ledger.flush();
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  renameSync(`${path}.new-wal`, `${path}-wal`);
  renameSync(`${path}.new`, path);
  await ledger.close();
  assert.ok(existsSync(`${path}-wal`), 'the write-ahead log of the new database was removed');
  assert.equal(count(path), 1);
});

test('an idle ledger notices that its database was deleted', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  await ledger.flush();
  rmSync(path);
  t.mock.timers.tick(5000);
  await until(() => existsSync(path));
  await ledger.flush();
});

test('a folder that is gone for good is told, and does not stop anything', async (t) => {
  const path = temporaryPath('sub/gateway.db');
  const ledger = temporaryLedger(t, { path, closeWithin: 0 });
  await ledger.flush();
  const folder = path.slice(0, path.lastIndexOf('/'));
  rmSync(folder, { recursive: true });
  execFileSync('touch', [folder]);
  ledger.record(settled());
  await ledger.flush();
  assert.equal(ledger.health().status, 'degraded');
  await assert.rejects(ledger.reports.exchange('x'), {
    code: 'LLM_GATEWAY_LEDGER_UNAVAILABLE',
    statusCode: 503,
  });
  rmSync(folder);
  await until(() => ledger.health().status === 'ok');
  assert.deepEqual(ledger.health(), healthy({ written: 1 }));
  assert.equal(count(path), 1);
});

test('a thread that breaks down is replaced, and every row is written once', async (t) => {
  const path = temporaryPath();
  const logger = memoryLogger();
  const { threads } = watchThreads(t);
  const ledger = temporaryLedger(t, { path, logger });
  await ledger.flush();
  for (let row = 0; row < 20; row += 1) ledger.record(settled());
  const flushed = ledger.flush();
  await breakDown(threads.at(-1));
  await flushed;
  await until(() => ledger.health().status === 'ok');
  await ledger.flush();
  assert.deepEqual(ledger.health(), healthy({ written: 20 }));
  assert.deepEqual([count(path), summed(path)], [20, 20]);
  assert.deepEqual(logger.lines.at(-1), 'info ledger writes again');
});

test('a batch whose confirmation was lost is not written twice', async (t) => {
  const path = temporaryPath();
  const { threads } = watchThreads(t);
  const ledger = temporaryLedger(t, { path });
  await ledger.flush();
  // The thread commits, but its answer is never heard.
  threads.at(-1)?.removeAllListeners('message');
  for (let row = 0; row < 20; row += 1) ledger.record(settled());
  const flushed = ledger.flush();
  await until(() => count(path) === 20);
  await breakDown(threads.at(-1));
  await flushed;
  await until(() => ledger.health().status === 'ok');
  assert.deepEqual(ledger.health(), healthy({ written: 20 }));
  assert.deepEqual([count(path), summed(path)], [20, 20]);
});

test('a thread that breaks down while idle is noticed at once, and replaced', async (t) => {
  const { threads } = watchThreads(t);
  const ledger = temporaryLedger(t);
  await ledger.flush();
  await breakDown(threads.at(-1));
  await until(() => ledger.health().status === 'degraded');
  await until(() => ledger.health().status === 'ok');
});

test('a reader that breaks down fails the report in hand, and the next one is answered', async (t) => {
  const { threads } = watchThreads(t);
  const ledger = temporaryLedger(t);
  await ledger.flush();
  const writer = threads.at(-1);
  await ledger.reports.exchange('x');
  const reader = threads.at(-1);
  assert.notEqual(reader, writer);
  const report = ledger.reports.totals({ window: WINDOW, groupBy: [] });
  const ended = breakDown(reader);
  await assert.rejects(report, { code: 'LLM_GATEWAY_LEDGER_UNAVAILABLE' });
  await ended;
  assert.equal(await ledger.reports.exchange('x'), null);
  assert.equal(ledger.health().status, 'ok');
});

test('a lock of another process holds up neither the event loop nor reports', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  ledger.record(settled());
  await ledger.flush();
  await ledger.reports.exchange('x');
  const unlock = lock(t, path);
  ledger.record(settled());
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  await until(() => ledger.health().status === 'degraded');
  clearInterval(timer);
  assert.ok(longest < 200, `the event loop was held up for ${longest} ms`);
  unlock();
  await until(() => ledger.health().status === 'ok');
  assert.equal(count(path), 2);
});
