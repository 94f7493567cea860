import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openWriter } from '../../src/db/open.js';
import { sheetOf } from '../../src/db/sheet.js';
import { prepareWriter } from '../../src/db/writer.js';
import { attempt, query, settled, temporaryPath, usage } from '../unit/ledger-fixture.js';

function open(t: TestContext, path: string) {
  const client = openWriter(path, { synchronous: 'normal', waitMs: 0 });
  t.after(() => client.close());
  const write = prepareWriter(client);
  const record = (rows: number) => {
    const exchanges = Array.from({ length: rows }, () =>
      settled({
        route: 'fast',
        key: 'web',
        provider: 'groq',
        model: 'llama',
        usage: usage({ inputUncached: 3 }),
        attempts: [attempt()],
      }),
    );
    return write({ sheet: sheetOf(exchanges), bodies: [], again: false });
  };
  return { client, record };
}

/** Exchanges, tokens and attempts of each table of rollups, and how many sums there are of each view. */
function sums(path: string) {
  const tables = ['rollups', 'minute_rollups'].map((table) =>
    query(
      path,
      `select sum(exchanges) as n, sum(input_uncached_tokens) as tokens,
       sum(json_extract(counts, '$."sent/answered"')) as attempts from ${table}`,
    ),
  );
  const summaries = query(
    path,
    `select step, view, sum(json_extract(counts, '$."ok/complete"')) as n from summaries group by step, view`,
  );
  return { tables: tables.flat(), summaries: summaries.map(({ n }) => n) };
}

const summing = (n: number) => ({
  tables: [
    { n, tokens: 3 * n, attempts: n },
    { n, tokens: 3 * n, attempts: n },
  ],
  summaries: Array.from({ length: 9 }, () => n),
});

test('sums are those of all rows when two connections write in turns', (t) => {
  const path = temporaryPath();
  const [one, other] = [open(t, path), open(t, path)];
  one.record(2);
  other.record(3);
  one.record(5);
  one.record(7);
  other.record(11);
  assert.deepEqual(sums(path), summing(28));
});

test('a batch that was rolled back is in no sum that is written after it', (t) => {
  const path = temporaryPath();
  const { client, record } = open(t, path);
  record(4);
  client.pragma(`max_page_count = ${client.pragma('page_count', { simple: true })}`);
  assert.throws(() => record(500), { code: 'SQLITE_FULL' });
  client.pragma('max_page_count = 100000');
  record(6);
  assert.deepEqual(sums(path), summing(10));
});

test('a batch that fails while its sums are written is in no sum that is written after it', (t) => {
  const path = temporaryPath();
  const { client, record } = open(t, path);
  record(4);
  client.exec(`create temp trigger broken before update on summaries when new.step = 86400000 begin
    select raise(abort, 'no'); end`);
  assert.throws(() => record(2), /no/);
  client.exec('drop trigger broken');
  record(6);
  assert.deepEqual(sums(path), summing(10));
});
