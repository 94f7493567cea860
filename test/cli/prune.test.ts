import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import SQLite from 'better-sqlite3';
import { post } from '../helpers/gateway.js';
import { query, settled } from '../unit/ledger-fixture.js';
import { hello, runCli, serveCli } from './helpers.js';
import { databaseWith } from './ledger.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const days = (count: number) =>
  Array.from({ length: count }, (_, day) => settled({ startedAt: Date.now() - day * DAY - 2 * HOUR }));
const left = (path: string) => query(path, 'select 1 from exchanges').length;

test('prune removes what is older than it is told, and the file is smaller', async (t) => {
  const body = randomBytes(20_000);
  const db = await databaseWith(days(100), [{ kind: 'request', body }]);
  const before = statSync(db).size;
  const dry = await runCli(t, ['prune', '--db', db, '--older-than', '30d', '--dry-run']);
  assert.match(
    dry.stdout,
    /nothing was removed\nexchanges that are too old +70\nbodies that are too old +70\n/,
  );
  assert.equal(left(db), 100);
  const { code, stdout } = await runCli(t, ['prune', '--db', db, '--older-than', '30d']);
  assert.equal(code, 0);
  assert.match(stdout, /^removed 70 exchanges, 70 bodies, 0 sessions; .* before, .* now\n$/);
  assert.equal(left(db), 30);
  assert.ok(statSync(db).size < before);
  const bodies = await runCli(t, ['prune', '--db', db, '--payloads-older-than', '5d']);
  assert.match(bodies.stdout, /^removed 0 exchanges, 25 bodies/);
});

test('prune does what the configuration says, and says when nothing does', async (t) => {
  const db = await databaseWith(days(10));
  const config = (more: string) => `database: { path: "${db}"${more} }\nproviders: { e: { type: echo } }\n`;
  const none = await runCli(t, ['prune'], { config: config('') });
  assert.equal(none.code, 2);
  assert.match(none.stderr, /nothing says what to remove/);
  await runCli(t, ['prune'], { config: config(', retention: { exchanges: 4d }') });
  assert.equal(left(db), 4);
  assert.match(
    (await runCli(t, ['prune', '--db', db, '--older-than', 'x'])).stderr,
    /--older-than must be a duration/,
  );
  assert.match(
    (await runCli(t, ['prune', '--db', db, '--max-size', '0B'])).stderr,
    /--max-size must be a size/,
  );
});

test('a file of an early version shrinks once it was rewritten', async (t) => {
  const db = await databaseWith(days(500));
  const client = new SQLite(db);
  client.pragma('journal_mode = delete');
  client.pragma('auto_vacuum = none');
  client.exec('vacuum');
  client.close();
  const first = await runCli(t, ['prune', '--db', db, '--older-than', '100d']);
  assert.match(first.stdout, /this file cannot shrink: run "llm-gateway prune --vacuum" once/);
  const size = statSync(db).size;
  const second = await runCli(t, ['prune', '--db', db, '--vacuum']);
  assert.equal(second.code, 0);
  assert.ok(statSync(db).size < size);
  const third = await runCli(t, ['prune', '--db', db, '--older-than', '1d']);
  assert.doesNotMatch(third.stdout, /cannot shrink/);
});

test('prune works beside a gateway that goes on recording', async (t) => {
  const { url, database } = await serveCli(t);
  await (await post(`${url}/v1/chat/completions`, hello)).text();
  const client = new SQLite(database);
  t.after(() => client.close());
  // Rows that are old, beside the one that is new.
  const old = await databaseWith(days(2000).slice(1));
  client.exec(`attach '${old}' as old`);
  client.exec(
    'insert into exchanges select * from old.exchanges where seq not in (select seq from exchanges)',
  );
  client.exec('detach old');
  const pruning = runCli(t, ['prune', '--db', database, '--older-than', '12h']);
  let answered = 0;
  let done = false;
  void pruning.then(() => {
    done = true;
  });
  while (!done) {
    const response = await post(`${url}/v1/chat/completions`, hello);
    await response.text();
    answered += 1;
    assert.equal(response.status, 200);
  }
  assert.match((await pruning).stdout, /^removed 1 99\d exchanges/);
  const health = await (await fetch(`${url}/health`)).text();
  assert.match(health, /"status":"ok"/);
  assert.match(health, /"dropped":0/);
  const deadline = Date.now() + 5000;
  while (left(database) < answered && Date.now() < deadline)
    await fetch(`${url}/stats`).then((each) => each.text());
  assert.ok(left(database) >= answered, `${left(database)} of ${answered}`);
});
