import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import SQLite from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { migrate } from 'drizzle-orm/better-sqlite3/migrator';
import { attemptRow, exchangeRow, prepareInsert } from '../../src/db/rows.js';
import { attempts, exchanges } from '../../src/db/schema.js';
import type { Exchange } from '../../src/exchange.js';
import { attempt, query, settled, temporaryLedger, temporaryPath } from './ledger-fixture.js';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 4, 10);
const DRIZZLE = fileURLToPath(new URL('../../drizzle/', import.meta.url));

/** An earlier version knew only the first migration. */
function earlierMigrations(t: TestContext): string {
  const folder = temporaryPath(t, 'drizzle');
  mkdirSync(join(folder, 'meta'), { recursive: true });
  copyFileSync(join(DRIZZLE, '0000_ledger.sql'), join(folder, '0000_ledger.sql'));
  const journal = JSON.parse(readFileSync(join(DRIZZLE, 'meta/_journal.json'), 'utf8'));
  journal.entries = journal.entries.slice(0, 1);
  writeFileSync(join(folder, 'meta/_journal.json'), JSON.stringify(journal));
  return folder;
}

/** A database as that version left it. */
function oldDatabase(t: TestContext, settledThen: Exchange[]): string {
  const path = temporaryPath(t);
  const client = new SQLite(path);
  const migrationsFolder = earlierMigrations(t);
  migrate(drizzle(client), { migrationsFolder, migrationsTable: 'gateway_migrations' });
  const insertExchange = prepareInsert(client, exchanges, { omit: 'seq' });
  const insertAttempt = prepareInsert(client, attempts);
  for (const exchange of settledThen) {
    const seq = insertExchange(exchangeRow(exchange));
    for (const each of exchange.attempts) insertAttempt(attemptRow(seq, each));
  }
  client.exec(`insert into rollups (hour, route, provider, model, key, outcome, streaming, exchanges, attempts,
    usage_known, cost_known, total_us, total_histogram, first_content_histogram)
    values (${START}, '', 'calm', 'm', '', 'ok', 0, 3, 7, 0, 0, 42, x'', x'')`);
  client.close();
  return path;
}

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
  const path = oldDatabase(t, recorded);
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
