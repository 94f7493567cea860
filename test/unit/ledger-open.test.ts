import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import SQLite from 'better-sqlite3';
import { openLedger } from '../../src/db/ledger.js';
import { migrateDatabase } from '../../src/db/migrate.js';
import { query, settled, temporaryLedger, temporaryPath } from './ledger-fixture.js';

function refusal(path: string): string {
  try {
    openLedger({ path });
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error);
    assert.equal(error.code, 'LLM_GATEWAY_DATABASE');
    assert.ok(error.message.includes(path), error.message);
    assert.ok(error.cause instanceof Error);
    return error.message;
  }
  throw new Error('the database was opened');
}

test('the folder is created, and the file is set up for a writer that never blocks readers', async (t) => {
  const path = join(temporaryPath('a'), 'b', 'gateway.db');
  const ledger = temporaryLedger(t, { path });
  assert.equal(ledger.path, path);
  assert.deepEqual(query(path, 'select * from pragma_journal_mode'), [{ journal_mode: 'wal' }]);
  assert.deepEqual(query(path, 'select * from pragma_auto_vacuum'), [{ auto_vacuum: 2 }]);
});

test('a folder that cannot be made is an error, not a hang', { timeout: 10_000 }, () => {
  assert.match(refusal('/proc/no-such-process/gateway.db'), /check that its folder exists/);
});

test('a database is opened again with all it held', async () => {
  const path = temporaryPath();
  for (let run = 0; run < 2; run += 1) {
    const ledger = openLedger({ path });
    ledger.record(settled({ startedAt: 1000 }));
    await ledger.close();
  }
  assert.equal(query(path, 'select * from exchanges').length, 2);
  assert.deepEqual(query(path, 'select exchanges, total_us from rollups'), [
    { exchanges: 2, total_us: 2000 },
  ]);
});

test('a path below a file is refused with advice', () => {
  const file = temporaryPath('file');
  writeFileSync(file, '');
  assert.match(refusal(join(file, 'gateway.db')), /may write there/);
});

test('a folder is refused with advice', () => {
  const path = temporaryPath('folder');
  mkdirSync(path);
  assert.match(refusal(path), /may write there/);
});

test('a text file is refused and left as it was', () => {
  const path = temporaryPath('notes.txt');
  const text = 'these are my notes and not a database\n'.repeat(50);
  writeFileSync(path, text);
  assert.match(refusal(path), /no SQLite database/);
  assert.equal(readFileSync(path, 'utf8'), text);
});

test('a database of another program is refused and left without our tables', () => {
  const path = temporaryPath();
  const client = new SQLite(path);
  client.exec('create table sessions (token text)');
  client.close();
  assert.match(refusal(path), /another program/);
  assert.deepEqual(query(path, "select name from sqlite_master where type = 'table'"), [
    { name: 'sessions' },
  ]);
});

test('a database of a newer version is refused', async () => {
  const path = temporaryPath();
  await openLedger({ path }).close();
  const client = new SQLite(path);
  client.exec("insert into gateway_migrations (hash, created_at) values ('later', 99999999999999)");
  client.close();
  assert.match(refusal(path), /update fastify-llm-gateway/);
});

test('two ledgers on one file add up to the same rollup', async (t) => {
  const path = temporaryPath();
  const ledgers = [temporaryLedger(t, { path }), temporaryLedger(t, { path })];
  for (let row = 0; row < 20; row += 1) {
    for (const ledger of ledgers) {
      ledger.record(settled({ startedAt: 1000 + row, totalUs: 10 * row }));
      await ledger.flush();
    }
  }
  assert.deepEqual(query(path, 'select exchanges, total_us from rollups'), [
    { exchanges: 40, total_us: 3800 },
  ]);
  const window = { since: 0, until: 3_600_000 };
  const { totals } = await temporaryLedger(t, { path }).reports.totals({ window, groupBy: [] });
  assert.equal(totals.exchanges, 40);
  assert.equal(totals.total_ms.mean, 0.095);
});

test('while one process migrates, no other can', (t) => {
  const path = temporaryPath();
  const client = new SQLite(path);
  const rivalClient = new SQLite(path, { timeout: 0 });
  t.after(() => {
    client.close();
    rivalClient.close();
  });
  const rivals: string[] = [];
  const tryToo = () => {
    try {
      migrateDatabase(rivalClient);
      rivals.push('migrated');
    } catch (error) {
      rivals.push(String(error instanceof SQLite.SqliteError && error.code));
    }
  };
  const prepare = client.prepare.bind(client);
  Object.defineProperty(client, 'prepare', {
    value: (source: string) => {
      // Drizzle has looked at what is applied and is about to begin.
      if (/^(BEGIN|SAVEPOINT)/.test(source)) tryToo();
      return prepare(source);
    },
  });
  migrateDatabase(client);
  assert.deepEqual(rivals, ['SQLITE_BUSY']);
  migrateDatabase(rivalClient);
});

test('processes that start on one new file at once all open it', async () => {
  const path = temporaryPath();
  const module = new URL('../../src/db/ledger.ts', import.meta.url).href;
  const script = `
    const { openLedger } = await import(${JSON.stringify(module)});
    process.stdout.write('ready');
    process.stdin.once('data', async () => {
      await openLedger({ path: ${JSON.stringify(path)} }).close();
      process.exit(0);
    });`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const children = [1, 2, 3, 4].map(() => spawn(process.execPath, args));
  const errors = children.map((child) => {
    let text = '';
    child.stderr.on('data', (chunk) => {
      text += chunk;
    });
    return () => text;
  });
  await Promise.all(children.map((child) => once(child.stdout, 'data')));
  const exits = children.map((child) => once(child, 'exit'));
  for (const child of children) child.stdin.write('go');
  const codes = (await Promise.all(exits)).map(([code]) => code);
  assert.deepEqual(codes, [0, 0, 0, 0], errors.map((text) => text()).join('\n'));
  const twice = 'select hash from gateway_migrations group by hash having count(*) > 1';
  assert.deepEqual(query(path, twice), []);
});
