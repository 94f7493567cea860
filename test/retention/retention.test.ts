import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import SQLite from 'better-sqlite3';
import { openWriter } from '../../src/db/open.js';
import { prepareRetention, type RetentionPolicy, type RetentionStep } from '../../src/db/retention.js';
import {
  attempt,
  memoryLogger,
  query,
  settled,
  temporaryLedger,
  temporaryPath,
  until,
  usage,
} from '../unit/ledger-fixture.js';

const HOUR = 3_600_000;
const now = Date.UTC(2026, 5, 1, 12, 30);
const keep = { exchanges: null, payloads: null, maxSize: null };

/** A database with an exchange for each hour before now, each with a body and a session of its own. */
async function filled(t: TestContext, hours: number, bodyBytes = 100) {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  for (let hour = hours - 1; hour >= 0; hour -= 1) {
    const exchange = settled({
      startedAt: now - hour * HOUR,
      session: `session ${hour}`,
      attempts: [attempt()],
      usage: usage({ inputUncached: 1 }),
    });
    ledger.record(exchange, [{ kind: 'request', body: randomBytes(bodyBytes) }]);
  }
  await ledger.flush();
  await ledger.close();
  const client = openWriter(path, { synchronous: 'normal', waitMs: 0 });
  t.after(() => client.close());
  const retain = prepareRetention(client);
  return {
    path,
    client,
    /** All steps that there are to do. */
    run(policy: Partial<RetentionPolicy>, slack = 0) {
      const total = { payloads: 0, exchanges: 0, sessions: 0, freed: 0 };
      let steps = 0;
      for (let step: RetentionStep | null = null; step?.more !== false; steps += 1) {
        step = retain({ policy: { ...keep, ...policy }, now, budgetMs: 0, slack });
        total.payloads += step.payloads;
        total.exchanges += step.exchanges;
        total.sessions += step.sessions;
        total.freed += step.freed;
      }
      return { ...total, steps };
    },
    count: (sql: string) => query<{ n: number }>(path, `select count(*) as n from ${sql}`)[0]?.n ?? 0,
  };
}

test('exchanges that are too old go with all that belongs to them, and no sum changes', async (t) => {
  const { run, count, path } = await filled(t, 100);
  const before = query(path, 'select * from rollups order by hour');
  // 49:45 hours back from 12:30 is 10:45; the hour that began at 10:00 is kept whole, with what is from 10:30.
  const { exchanges, payloads, sessions } = run({ exchanges: 49.75 * HOUR });
  assert.deepEqual([exchanges, payloads, sessions], [49, 49, 49]);
  for (const table of ['exchanges', 'attempts', 'captures', 'capture_nodes', 'capture_pieces', 'sessions']) {
    assert.equal(count(table), 51, table);
  }
  const oldest = query<{ at: number }>(path, 'select min(started_at) as at from exchanges')[0]?.at;
  assert.equal(oldest, now - 50 * HOUR);
  assert.deepEqual(query(path, 'select * from rollups order by hour'), before);
});

test('bodies can go before their exchanges', async (t) => {
  const { run, count } = await filled(t, 100);
  const { payloads, exchanges } = run({ payloads: 10 * HOUR });
  assert.deepEqual([payloads, exchanges], [89, 0]);
  assert.deepEqual([count('captures'), count('capture_pieces'), count('exchanges')], [11, 11, 100]);
});

test('bodies that a wrong clock made young do not keep the others', async (t) => {
  const { run, client, count } = await filled(t, 100);
  client.exec("update exchanges set id = 'f' || substr(id, 2) where seq <= 5");
  assert.equal(run({ payloads: 10 * HOUR }).payloads, 84);
  assert.equal(count('captures'), 16);
});

test('a database that is too large loses its oldest bodies, then its oldest exchanges', async (t) => {
  const { run, count, client, path } = await filled(t, 400, 20_000);
  const size = () => {
    client.pragma('wal_checkpoint(truncate)');
    return statSync(path).size;
  };
  assert.ok(size() > 8_000_000, String(size()));
  run({ maxSize: 4_000_000 });
  assert.ok(size() <= 4_000_000 && size() > 3_500_000, String(size()));
  assert.equal(count('exchanges'), 400);
  const [kept] = query<{ oldest: number }>(path, 'select min(exchange_seq) as oldest from captures');
  assert.equal(kept?.oldest, 401 - count('captures'), 'the youngest are kept');

  run({ payloads: HOUR });
  const { exchanges } = run({ maxSize: size() * 0.9 });
  assert.ok(exchanges > 0 && exchanges < 400, String(exchanges));
  assert.equal(count('captures'), 0);
  assert.ok(count('rollups') >= 400);
});

test('a limit below what rollups take removes what it can and comes to an end', async (t) => {
  const { run, count } = await filled(t, 30);
  run({ maxSize: 1 });
  assert.equal(count('exchanges'), 0);
  assert.ok(count('rollups') > 0);
});

test('work is done in steps, each of a few rows when the time is short', async (t) => {
  const { run } = await filled(t, 200);
  const { steps, exchanges } = run({ exchanges: HOUR });
  assert.ok(steps >= exchanges / 20, `${steps} steps for ${exchanges} exchanges`);
});

test('what was removed before a step failed is told, and the failure next time', async (t) => {
  const { client, path } = await filled(t, 100);
  client.exec(`create trigger stubborn before delete on exchanges when old.seq = 50
    begin select raise(abort, 'no'); end`);
  const retain = prepareRetention(client);
  const order = { policy: { ...keep, exchanges: HOUR }, now, budgetMs: 10_000, slack: 0 };
  const { exchanges, more } = retain(order);
  assert.equal(exchanges, 100 - query(path, 'select 1 from exchanges').length);
  assert.ok(exchanges >= 20 && more, `${exchanges}`);
  for (let step = 0; step < 5; step += 1) {
    try {
      retain(order);
    } catch (error) {
      assert.match(String(error), /no/);
      return;
    }
  }
  assert.fail('the failure was never told');
});

test('emptied pages are given back, but for some that the next rows will fill', async (t) => {
  const { run, client, path } = await filled(t, 300, 20_000);
  const free = () => Number(client.pragma('freelist_count', { simple: true }));
  const { freed } = run({ payloads: HOUR }, 0.05);
  assert.ok(freed > 3_000_000, String(freed));
  assert.ok(free() > 0 && free() <= 256, String(free()));
  run({}, 0);
  assert.equal(free(), 0);
  client.pragma('wal_checkpoint(truncate)');
  assert.ok(statSync(path).size < 1_000_000);
});

test('a file that cannot shrink is pruned all the same', async (t) => {
  const { path, client } = await filled(t, 50);
  client.pragma('auto_vacuum = none');
  client.exec('vacuum');
  client.close();
  const again = new SQLite(path);
  t.after(() => again.close());
  const step = prepareRetention(again)({
    policy: { ...keep, exchanges: HOUR },
    now,
    budgetMs: 1000,
    slack: 0,
  });
  assert.deepEqual([step.exchanges, step.freed, step.more], [48, 0, false]);
});

test('a ledger prunes itself while it writes, and says so', async (t) => {
  const path = temporaryPath();
  const old = temporaryLedger(t, { path });
  for (let row = 0; row < 300; row += 1) old.record(settled({ startedAt: Date.now() - 48 * HOUR }));
  await old.close();
  const logger = memoryLogger();
  const retention = { ...keep, exchanges: 24 * HOUR };
  const ledger = temporaryLedger(t, { path, logger, retention });
  ledger.record(settled());
  await ledger.flush();
  await until(() => query(path, 'select 1 from exchanges').length === 1);
  await until(() => logger.lines.some((line) => /^info .*retention removed/.test(line)));
  await ledger.close();
});

test('a retention that fails says so once, and closing does not wait for it', async (t) => {
  const path = temporaryPath();
  const made = temporaryLedger(t, { path });
  made.record(settled({ startedAt: Date.now() - 48 * HOUR }));
  await made.close();
  const client = new SQLite(path);
  t.after(() => client.close());
  client.exec("create trigger stubborn before delete on exchanges begin select raise(abort, 'no'); end");
  const logger = memoryLogger();
  const ledger = temporaryLedger(t, { path, logger, retention: { ...keep, exchanges: HOUR } });
  await until(() => logger.lines.some((line) => line.includes('retention failed')));
  ledger.record(settled());
  await ledger.flush();
  assert.equal(ledger.health().status, 'ok');
  await ledger.close();
});
