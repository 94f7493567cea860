import assert from 'node:assert/strict';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import Fastify, { type FastifyInstance } from 'fastify';
import exchange from '../../plugins/exchange.js';
import { noLedger } from '../../src/db/ledger.js';
import type { Exchange } from '../../src/exchange.js';
import { withResolvers } from '../helpers/upstream.js';
import { until } from '../unit/ledger-fixture.js';

const config = { gateway: { scope: 'any', record: true } } as const;

/** An app whose ledger confirms nothing before `confirm` is called. */
async function setUp(t: TestContext, prepare: (app: FastifyInstance) => unknown = () => {}) {
  const app = Fastify({ forceCloseConnections: 'idle' });
  const records: Exchange[] = [];
  const { promise, resolve: confirm } = withResolvers();
  t.after(() => {
    confirm();
    return app.close();
  });
  app.decorate('gatewayLedger', {
    ...noLedger(),
    durability: 'strict',
    record: (settled) => void records.push(settled),
    committed: () => promise,
  });
  await prepare(app);
  await app.register(exchange, { drainTimeout: 1000, clientTimeout: 60_000 });
  app.get('/json', { config }, async () => ({ ok: true }));
  app.get('/stream', { config }, (request, reply) => {
    // What a relay does: it holds the last part back.
    async function* parts() {
      yield 'first ';
      await request.exchange?.seal?.(200, null);
      yield 'last';
    }
    return reply.send(Readable.from(parts()));
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return { app, records, confirm, url: `http://127.0.0.1:${port}` };
}

test('an answer leaves when its record is committed, not before', async (t) => {
  const { records, confirm, url } = await setUp(t);
  let answered = false;
  const response = fetch(`${url}/json`).then((answer) => {
    answered = true;
    return answer.json();
  });
  await until(() => records.length === 1);
  const [record] = records;
  assert.deepEqual(
    [record?.status, record?.outcome, record?.endReason, record?.bytesOut],
    [200, 'ok', 'complete', 11],
  );
  assert.notEqual(record?.lagUs, null);
  assert.equal(answered, false);
  confirm();
  assert.deepEqual(await response, { ok: true });
  assert.equal(records.length, 1);
});

test('a stream flows, and only its end waits', async (t) => {
  const { records, confirm, url } = await setUp(t);
  const response = await fetch(`${url}/stream`);
  const reader = response.body?.getReader();
  assert.equal(Buffer.from((await reader?.read())?.value ?? '').toString(), 'first ');
  await until(() => records.length === 1);
  assert.equal(records[0]?.outcome, 'ok');
  confirm();
  assert.equal(Buffer.from((await reader?.read())?.value ?? '').toString(), 'last');
});

test('an unknown URL waits too, and so does what a hook of the host answered', async (t) => {
  const { records, confirm, url } = await setUp(t, (app) =>
    app.addHook('onRequest', async (request, reply) => {
      if (request.headers['x-ban'] !== undefined) await reply.code(403).send({ no: true });
    }),
  );
  const answers = [fetch(`${url}/nowhere`), fetch(`${url}/json`, { headers: { 'x-ban': '1' } })];
  await until(() => records.length === 2);
  confirm();
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  assert.deepEqual(statuses, [404, 403]);
  assert.deepEqual(records.map(({ status }) => status).toSorted(), [403, 404]);
});

test('a client that leaves while the record is committed changes nothing of it', async (t) => {
  const { app, records, url } = await setUp(t);
  const outgoing = request(`${url}/json`).on('error', () => {});
  outgoing.end();
  await until(() => records.length === 1);
  const closed = new Promise((resolve) => outgoing.on('close', resolve));
  outgoing.destroy();
  await closed;
  await until(() => app.gatewayExchanges.size === 0);
  assert.deepEqual([records.length, records[0]?.outcome], [1, 'ok']);
});

test('a shutdown waits for an answer that waits for its commit', async (t) => {
  const { app, records, confirm, url } = await setUp(t);
  const response = fetch(`${url}/json`, { headers: { connection: 'close' } });
  await until(() => records.length === 1);
  assert.equal(app.gatewayExchanges.size, 1);
  const closed = app.close();
  confirm();
  assert.deepEqual(await (await response).json(), { ok: true });
  await closed;
  assert.equal(records.length, 1);
});

test('an answer that is cut off at the end of a shutdown stays what was recorded of it', async (t) => {
  const { app, records, url } = await setUp(t);
  const response = fetch(`${url}/json`);
  const failed = assert.rejects(response);
  await until(() => records.length === 1);
  await app.gatewayExchanges.drain(1);
  await failed;
  assert.deepEqual([records.length, records[0]?.outcome, records[0]?.endReason], [1, 'ok', 'complete']);
});
