import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { attempt, settled } from '../unit/ledger-fixture.js';
import { runCli, startCli } from './helpers.js';
import { databaseWith } from './ledger.js';

const at = (minute: number) => Date.UTC(2026, 0, 1, 0, minute);

test('export writes exchanges as JSON lines, oldest first, of the window that is asked for', async (t) => {
  const exchanges = [3, 1, 2, 4].map((minute) => settled({ startedAt: at(minute), costNano: 5 }));
  const db = await databaseWith(exchanges);
  const all = await runCli(t, ['export', '--db', db]);
  assert.equal(all.code, 0);
  const rows = all.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    rows.map((row) => row.started_at),
    [1, 2, 3, 4].map((minute) => new Date(at(minute)).toISOString()),
  );
  assert.equal(rows[0].cost_usd, 5e-9);
  assert.equal(rows[0].attempts, 0);
  assert.match(all.stderr, /^\d\.\d kB\n$/);
  const window = ['--since', '2026-01-01T00:02', '--until', '2026-01-01T00:04'];
  const some = await runCli(t, ['export', '--db', db, ...window]);
  assert.equal(some.stdout.trimEnd().split('\n').length, 2);
});

test('export --payloads adds attempts and bodies', async (t) => {
  const body = Buffer.from('{"model":"m"}');
  const db = await databaseWith([settled({ attempts: [attempt()] })], [{ kind: 'request', body }]);
  const { stdout } = await runCli(t, ['export', '--db', db, '--payloads']);
  const [row] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(row.payloads.request.body, '{"model":"m"}');
  assert.equal(row.attempts[0].provider, 'groq');
});

test('export writes CSV that a spreadsheet takes for text, into a file that is its owner’s', async (t) => {
  const db = await databaseWith([
    settled({ requestedModel: '=cmd()', errorMessage: 'a "quoted", text\nof two lines' }),
  ]);
  const { code, stdout, stderr, folder } = await runCli(t, [
    'export',
    '--db',
    db,
    '-f',
    'csv',
    '-o',
    'out.csv',
  ]);
  assert.deepEqual([code, stdout], [0, '']);
  assert.match(stderr, /^\d+ B in out\.csv\n$/);
  const text = readFileSync(join(folder, 'out.csv'), 'utf8');
  const [head = ''] = text.split('\r\n');
  assert.match(head, /^id,correlation_id,started_at,key,/);
  assert.ok(text.includes(",'=cmd(),"));
  assert.ok(text.includes('"a ""quoted"", text\nof two lines"'));
  assert.equal(statSync(join(folder, 'out.csv')).mode & 0o777, 0o600);
});

test('export refuses what it cannot do', async (t) => {
  const db = await databaseWith([]);
  const run = (...args: string[]) => runCli(t, ['export', '--db', db, ...args]);
  assert.match((await run('--format', 'xml')).stderr, /--format must be one of jsonl, csv, got "xml"/);
  assert.match((await run('--format', 'csv', '--payloads')).stderr, /--payloads needs --format jsonl/);
  assert.match((await run('--since', 'yesterday')).stderr, /--since must be an ISO 8601 instant/);
  const unwritable = await run('--output', 'no/such/folder/x');
  assert.equal(unwritable.code, 1);
  assert.match(unwritable.stderr, /cannot write to no\/such\/folder\/x: ENOENT/);
});

test('export ends quietly when its reader has had enough, and cleanly when it is told to stop', async (t) => {
  const db = await databaseWith(
    Array.from({ length: 3000 }, () => settled({ errorMessage: 'x'.repeat(500) })),
  );
  const piped = startCli(t, ['export', '--db', db]);
  await once(piped.child.stdout ?? piped.child, 'data');
  piped.child.stdout?.destroy();
  assert.equal(await piped.ended, 0);
  assert.equal(piped.stderr(), '');

  const stopped = startCli(t, ['export', '--db', db]);
  await once(stopped.child.stdout ?? stopped.child, 'data');
  // It waits for its reader now, and can hear the signal when that goes on.
  stopped.child.stdout?.pause();
  stopped.child.kill('SIGINT');
  stopped.child.stdout?.resume();
  assert.equal(await stopped.ended, 130);
  assert.match(stopped.stderr(), /, stopped before the end\n$/);
});
