import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { chat, post, startGateway } from '../helpers/gateway.js';
import { json, startUpstream } from '../helpers/upstream.js';
import { lock, query, settled, temporaryLedger, temporaryPath, until } from '../unit/ledger-fixture.js';
import { breakDown, watchThreads } from './threads.js';

const ids = (path: string) => query<{ id: string }>(path, 'select id from exchanges').map(({ id }) => id);

test('under strict durability what is confirmed is committed', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path, durability: 'strict' });
  await ledger.flush();
  for (let round = 1; round <= 20; round += 1) {
    const exchange = settled();
    ledger.record(exchange);
    await ledger.committed();
    assert.ok(ids(path).includes(exchange.id));
  }
  assert.equal(ledger.health().unconfirmed, 0);
});

test('who waits at the same time waits for the same transaction', async (t) => {
  const path = temporaryPath();
  const { orders } = watchThreads(t);
  const ledger = temporaryLedger(t, { path, durability: 'strict' });
  await ledger.flush();
  const before = orders.length;
  const waits = Array.from({ length: 100 }, () => {
    ledger.record(settled());
    return ledger.committed();
  });
  await Promise.all(waits);
  assert.equal(ids(path).length, 100);
  assert.equal(orders.length - before, 1);
});

test('under relaxed durability nobody waits', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  lock(t, path);
  ledger.record(settled());
  await ledger.committed();
  assert.equal(ledger.health().written, 0);
  await ledger.close();
});

test('a database that cannot be written holds up no answer, and it is counted', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path, durability: 'strict' });
  await ledger.flush();
  const unlock = lock(t, path);
  ledger.record(settled());
  const waited = performance.now();
  await ledger.committed();
  assert.ok(performance.now() - waited < 2000);
  assert.equal(ledger.health().unconfirmed, 1);
  await until(() => ledger.health().status === 'degraded');
  ledger.record(settled());
  await ledger.committed();
  assert.equal(ledger.health().unconfirmed, 2);
  unlock();
  await until(() => ledger.health().queued === 0);
  assert.equal(ids(path).length, 2);
});

test('a thread that does not answer is not waited for longer than 250 ms', async (t) => {
  const { threads } = watchThreads(t);
  const ledger = temporaryLedger(t, { durability: 'strict' });
  await ledger.flush();
  threads.at(-1)?.removeAllListeners('message');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  ledger.record(settled());
  const committed = ledger.committed();
  t.mock.timers.tick(249);
  assert.equal(ledger.health().unconfirmed, 0);
  t.mock.timers.tick(1);
  await committed;
  assert.equal(ledger.health().unconfirmed, 1);
  t.mock.timers.reset();
  await breakDown(threads.at(-1));
});

test('under strict durability a client that has an answer finds it in the ledger', async (t) => {
  const upstream = await startUpstream(t, json());
  const path = temporaryPath();
  const { url } = await startGateway(t, {
    database: { path, durability: 'strict' },
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  for (let round = 0; round < 10; round += 1) {
    const response = await post(`${url}/v1/chat/completions`, chat);
    await response.arrayBuffer();
    assert.ok(ids(path).includes(response.headers.get('x-request-id') ?? ''));
  }
  const refused = await post(`${url}/v1/chat/completions`, { ...chat, model: 'unknown' });
  await refused.arrayBuffer();
  const rows = query(
    path,
    'select status, outcome, end_reason, bytes_in, bytes_out, total_us from exchanges order by seq',
  );
  const { total_us: took, bytes_out: length, ...rest } = rows[0] ?? {};
  assert.deepEqual(rest, {
    status: 200,
    outcome: 'ok',
    end_reason: 'complete',
    bytes_in: JSON.stringify(chat).length,
  });
  assert.ok(Number(took) > 0 && Number(length) > 100);
  assert.equal(rows.length, 11);
  assert.deepEqual([rows.at(-1)?.status, rows.at(-1)?.outcome], [404, 'rejected']);
});

test('under strict durability a locked database delays an answer, and does not fail it', async (t) => {
  const upstream = await startUpstream(t, json());
  const path = temporaryPath();
  const { url } = await startGateway(t, {
    database: { path, durability: 'strict' },
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  const unlock = lock(t, path);
  const response = await post(`${url}/v1/chat/completions`, chat);
  assert.equal(response.status, 200);
  await response.arrayBuffer();
  const health = async () =>
    (await fetch(`${url}/health`)).json() as Promise<{ status: string; ledger: object }>;
  while ((await health()).status !== 'degraded');
  const { ledger } = await health();
  assert.deepEqual({ ...ledger, unconfirmed: 1, queued: 1, dropped: 0 }, ledger);
  unlock();
  await until(() => ids(path).length > 0);
  assert.deepEqual(ids(path), [response.headers.get('x-request-id')]);
});

test('captured bodies are stored with their exchange, equal ones once', async (t) => {
  const path = temporaryPath();
  const ledger = temporaryLedger(t, { path });
  const long = Buffer.from('the same again and again '.repeat(100));
  const short = Buffer.from('short');
  for (let row = 0; row < 2; row += 1) {
    ledger.record(settled(), [
      { kind: 'request', body: long },
      { kind: 'response', body: short },
    ]);
  }
  await ledger.flush();
  assert.equal(long.length, 2500, 'the bytes are still the caller’s');
  const stored = query<{ hash: Buffer; encoding: string; body: Buffer }>(
    path,
    'select hash, encoding, body from capture_pieces order by encoding desc',
  );
  assert.deepEqual(
    stored.map(({ encoding }) => encoding),
    ['identity', 'gzip'],
  );
  assert.deepEqual(stored[0]?.body, short);
  assert.deepEqual(gunzipSync(stored[1]?.body ?? ''), long);
  assert.deepEqual(stored[1]?.hash, createHash('sha256').update(long).digest());
  assert.equal(query(path, 'select * from captures').length, 4);
});
