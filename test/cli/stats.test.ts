import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled, usage } from '../unit/ledger-fixture.js';
import { runCli } from './helpers.js';
import { databaseWith } from './ledger.js';

const exchanges = () => [
  settled({
    provider: 'groq',
    model: 'llama',
    costNano: 1_500_000_000,
    totalUs: 1_250_000,
    usage: usage({ inputUncached: 12_345, outputText: 7 }),
  }),
  settled({ provider: 'groq', model: 'llama', outcome: 'failed', endReason: 'upstream_error' }),
  settled({ provider: 'lab', model: 'evil\x1b[2Jmodel' }),
];

test('stats prints a table of providers and models, and a line for all', async (t) => {
  const db = await databaseWith(exchanges());
  const { code, stdout, stderr } = await runCli(t, ['stats', '--db', db]);
  assert.equal(stderr, '');
  assert.equal(code, 0);
  const lines = stdout.split('\n');
  assert.match(lines[0] ?? '', /^\S+Z to \S+Z$/);
  assert.match(
    lines[2] ?? '',
    /^provider +model +exchanges +errors +tokens in +tokens out +cost +p50 +p95 +first p50$/,
  );
  assert.match(stdout, /^groq +llama +2 +1 +12 345 +7 +\$1\.50 .*1\.2\d?s/m);
  assert.match(stdout, /^all +3 +1 +12 345 +7 +\$1\.50/m);
  assert.ok(stdout.includes('evil?[2Jmodel'), 'nothing in a name steers the terminal');
});

test('stats groups by what is asked for, over the window that is asked for, also as JSON', async (t) => {
  const db = await databaseWith(exchanges());
  const { stdout } = await runCli(t, ['stats', '--db', db, '--by', 'provider', '--since', '2h', '--json']);
  const answer = JSON.parse(stdout);
  assert.deepEqual(answer.group_by, ['provider']);
  assert.deepEqual(
    answer.data.map(({ provider, exchanges: count }: Record<string, unknown>) => [provider, count]),
    [
      ['groq', 2],
      ['lab', 1],
    ],
  );
  assert.equal(answer.totals.exchanges, 3);
  assert.ok(Date.parse(answer.until) - Date.parse(answer.since) < 3 * 3_600_000);
});

test('stats says what is wrong with its options, and where it looked for a database', async (t) => {
  const by = await runCli(t, ['stats', '--db', 'x.db', '--by', 'colour']);
  assert.equal(by.code, 2);
  assert.match(by.stderr, /^llm-gateway: --by must be one of .*provider/);
  const none = await runCli(t, ['stats']);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /^llm-gateway: there is no database at \/.*\/data\/gateway\.db: /);
  const other = await runCli(t, ['stats', '--db', 'text.db'], {
    files: { 'text.db': 'not a database, but text' },
  });
  assert.equal(other.code, 1);
  assert.match(other.stderr, /^llm-gateway: text\.db cannot be used: file is not a database/);
});

test('stats finds the database through the configuration', async (t) => {
  const db = await databaseWith(exchanges());
  const { stdout } = await runCli(t, ['stats'], {
    config: `database: { path: "${db}" }\nproviders: { e: { type: echo } }\n`,
  });
  assert.match(stdout, /^all /m);
  const off = await runCli(t, ['stats'], { config: 'database: false\nproviders: { e: { type: echo } }\n' });
  assert.match(off.stderr, /database\.path is off/);
});
