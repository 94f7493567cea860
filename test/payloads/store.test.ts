import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import SQLite from 'better-sqlite3';
import fc from 'fast-check';
import { migrateDatabase } from '../../src/db/migrate.js';
import { preparePayloadReader } from '../../src/db/payload-read.js';
import { preparePayloadRemoval } from '../../src/db/payload-remove.js';
import { preparePayloads } from '../../src/db/payloads.js';
import { PLAIN_RULES } from '../../src/payloads/prepare.js';

/** A database with exchanges 1 to `count`, and what stores, reads and removes their bodies. */
function store(t: TestContext, count = 100) {
  const client = new SQLite(':memory:');
  t.after(() => client.close());
  client.pragma('foreign_keys = on');
  migrateDatabase(client);
  const insert = client.prepare(
    `insert into exchanges (seq, id, started_at, method, endpoint, streaming, outcome, end_reason, usage_source, attempts)
     values (?, ?, 0, 'POST', '/', 0, 'ok', 'complete', 'none', 0)`,
  );
  for (let seq = 1; seq <= count; seq += 1) insert.run(seq, String(seq));
  const total = (sql: string) => client.prepare<[], number>(sql).pluck().get() ?? 0;
  return {
    save: preparePayloads(client, { ...PLAIN_RULES, maxBytes: 2 ** 24 }),
    read: preparePayloadReader(client),
    remove: preparePayloadRemoval(client),
    bytes: () =>
      total('select sum(length(body) + length(hash) * 2 + 20) from capture_pieces') +
      total('select count(*) * 40 from capture_nodes') +
      total('select count(*) * 40 from captures'),
    rows: () =>
      ['captures', 'capture_nodes', 'capture_pieces'].map((table) => total(`select count(*) from ${table}`)),
  };
}

const sentence = (seed: number) =>
  Array.from({ length: 60 }, (_, word) =>
    Math.abs(Math.sin(seed * 97 + word) * 1e9)
      .toString(36)
      .slice(0, 6),
  ).join(' ');
/** The request of a turn: all that was said before, and what is said now. */
const turn = (number: number) => {
  const said = Array.from({ length: number * 2 + 1 }, (_, index) => ({
    role: index % 2 === 0 ? 'user' : 'assistant',
    content: sentence(index),
  }));
  return Buffer.from(
    JSON.stringify({
      model: 'm',
      messages: [{ role: 'system', content: 'Be brief.' }, ...said],
      stream: true,
    }),
  );
};

test('a conversation of 50 turns takes the room of its messages, not of its requests', (t) => {
  const { save, read, bytes } = store(t);
  let sent = 0;
  for (let number = 0; number < 50; number += 1) {
    sent += turn(number).length;
    save(number + 1, [{ kind: 'request', body: turn(number) }]);
  }
  const ratio = sent / bytes();
  t.diagnostic(`50 turns: ${sent} bytes sent, ${bytes()} stored, ratio ${ratio.toFixed(1)}`);
  assert.ok(ratio > 20, String(ratio));
  for (const number of [0, 24, 49]) assert.equal(read(number + 1).request?.body, String(turn(number)));
});

test('a turn adds the same room at the end of a long conversation as at its beginning', (t) => {
  const { save, bytes } = store(t);
  const added = Array.from({ length: 80 }, (_, number) => {
    const before = bytes();
    save(number + 1, [{ kind: 'request', body: turn(number) }]);
    return bytes() - before;
  });
  assert.ok((added.at(-1) ?? 0) < (added[1] ?? 0) * 1.5, `${added[1]} then ${added.at(-1)}`);
});

test('a conversation whose oldest messages are dropped stores no message twice', (t) => {
  const { save, rows } = store(t);
  const window = (from: number) =>
    Buffer.from(
      JSON.stringify({
        messages: Array.from({ length: 10 }, (_, index) => ({ content: sentence(from + index) })),
      }),
    );
  for (let from = 0; from < 20; from += 1) save(from + 1, [{ kind: 'request', body: window(from) }]);
  // One shell, 29 messages, and each without the comma once more when it is the first.
  assert.ok((rows()[2] ?? 0) <= 1 + 29 + 20, String(rows()));
});

test('removing a body removes what no other body shares', (t) => {
  const { save, read, remove, rows } = store(t);
  for (let number = 0; number < 5; number += 1) save(number + 1, [{ kind: 'request', body: turn(number) }]);
  save(6, [
    { kind: 'request', body: turn(4) },
    { kind: 'response', body: Buffer.from('{}') },
  ]);
  assert.equal(remove(3), 1);
  assert.equal(remove(3), 0);
  assert.equal(read(3).request, null);
  assert.equal(remove(5), 1);
  assert.equal(read(6).request?.body, String(turn(4)), 'the same body of another exchange stays');
  assert.equal(remove(6), 2);
  assert.equal(read(4).request?.body, String(turn(3)));
  for (const seq of [1, 2, 4]) remove(seq);
  assert.deepEqual(rows(), [0, 0, 0]);
});

test('bytes that are no text are shown in base64, and a cut is marked', (t) => {
  const { save, read } = store(t);
  save(1, [
    { kind: 'request', body: Buffer.from([0xff, 0xfe, 0]) },
    { kind: 'response', body: Buffer.from('é'), bytes: 50 },
  ]);
  const none = { request: null, response: null, events: null };
  assert.deepEqual(read(1), {
    ...none,
    request: { encoding: 'base64', body: '//4A', bytes: 3, truncated: false },
    response: { encoding: 'text', body: 'é', bytes: 50, truncated: true },
  });
  assert.deepEqual(read(2), none);
});

test('whatever is stored and removed in whatever order, every body that is left is whole, and nothing else is', (t) => {
  const message = fc.record({
    content: fc.constantFrom('a'.repeat(200), 'b'.repeat(200), 'c', 'd'.repeat(300)),
  });
  const body = fc.oneof(
    fc.array(message, { maxLength: 6 }).map((messages) => JSON.stringify({ model: 'm', messages })),
    fc.string(),
  );
  fc.assert(
    fc.property(
      fc.array(body, { minLength: 1, maxLength: 12 }),
      fc.array(fc.nat({ max: 11 })),
      (bodies, removals) => {
        const { save, read, remove, rows } = store(t, 12);
        const left = new Map(bodies.map((text, index) => [index + 1, text]));
        for (const [seq, text] of left) save(seq, [{ kind: 'request', body: Buffer.from(text) }]);
        for (const index of removals) {
          remove(index + 1);
          left.delete(index + 1);
        }
        for (const [seq, text] of left) assert.equal(read(seq).request?.body, text);
        for (const seq of left.keys()) remove(seq);
        assert.deepEqual(rows(), [0, 0, 0]);
      },
    ),
    { numRuns: 25 },
  );
});
