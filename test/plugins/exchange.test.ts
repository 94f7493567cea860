import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import exchange from '../../plugins/exchange.js';
import { noLedger } from '../../src/db/ledger.js';
import type { Exchange } from '../../src/exchange.js';
import { withResolvers } from '../helpers/upstream.js';

const recorded = { gateway: { scope: 'any', record: true } } as const;

/** An app whose ledger keeps what is recorded, and a promise of the next record. */
async function setUp(
  t: TestContext,
  prepare: (app: FastifyInstance) => void = () => {},
  { prefix = '', drainTimeout = 1000 } = {},
) {
  const app = Fastify({ forceCloseConnections: 'idle' });
  t.after(() => app.close());
  const records: Exchange[] = [];
  const first = withResolvers();
  app.decorate('gatewayLedger', {
    ...noLedger(),
    record(settled) {
      records.push(settled);
      first.resolve();
    },
  });
  app.register(
    async (scope) => {
      await scope.register(exchange, { drainTimeout, clientTimeout: 60_000 });
      prepare(scope);
    },
    { prefix },
  );
  await app.ready();
  return { app, records, first: first.promise };
}

test('a route that asks for it is recorded once, with what the request said', async (t) => {
  const { app, records } = await setUp(t, (scope) =>
    scope.post('/v1/echo', { config: recorded }, async () => ({ ok: true })),
  );
  const response = await app.inject({
    method: 'POST',
    url: '/v1/echo?secret=1',
    payload: { a: 1 },
    headers: { 'x-request-id': 'mine', 'x-session-id': 'chat-7' },
  });
  assert.equal(records.length, 1);
  const [record] = records;
  assert.equal(response.headers['x-request-id'], record?.id);
  assert.deepEqual(
    [record?.method, record?.endpoint, record?.correlationId, record?.session],
    ['POST', '/v1/echo', 'mine', 'chat-7'],
  );
  assert.deepEqual([record?.status, record?.outcome, record?.endReason], [200, 'ok', 'complete']);
  assert.deepEqual([record?.bytesIn, record?.bytesOut], [7, 11]);
});

test('a route that does not ask for it leaves no record', async (t) => {
  let seen: unknown = 'nothing';
  const { app, records } = await setUp(t, (scope) =>
    scope.get('/own', async (request) => {
      seen = request.exchange;
      return 'own';
    }),
  );
  const response = await app.inject('/own');
  assert.equal(response.headers['x-request-id'], undefined);
  assert.equal(seen, null);
  assert.deepEqual(records, []);
});

test('an unknown URL is recorded, below the prefix and without it', async (t) => {
  const { app, records } = await setUp(
    t,
    (scope) => scope.setNotFoundHandler((_request, reply) => reply.code(404).send('unknown')),
    { prefix: '/ai' },
  );
  assert.equal((await app.inject('/ai/nothing/here')).body, 'unknown');
  assert.deepEqual(
    records.map(({ endpoint, status, outcome }) => [endpoint, status, outcome]),
    [['/nothing/here', 404, 'rejected']],
  );
});

test('what the host answers outside the prefix is its own', async (t) => {
  const { app, records } = await setUp(t, () => {}, { prefix: '/ai' });
  await app.inject('/elsewhere');
  assert.deepEqual(records, []);
});

test('identifiers that cannot be stored safely are left out', async (t) => {
  const { app, records } = await setUp(t, (scope) => scope.get('/', { config: recorded }, async () => 'ok'));
  for (const id of ['', 'two words', 'é', 'x'.repeat(129)]) {
    await app.inject({ url: '/', headers: { 'x-request-id': id, 'x-session-id': id } });
  }
  assert.deepEqual(
    records.map(({ correlationId, session }) => [correlationId, session]),
    Array(4).fill([null, null]),
  );
});

test('a handler that throws leaves one failed record', async (t) => {
  const { app, records } = await setUp(t, (scope) =>
    scope.get('/', { config: recorded }, async () => {
      throw new Error('broken');
    }),
  );
  await app.inject('/');
  assert.deepEqual(
    records.map(({ status, outcome, endReason }) => [status, outcome, endReason]),
    [[500, 'failed', 'internal_error']],
  );
});

test('what a hook of the host refuses is recorded too, with the time it took', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  const records: Exchange[] = [];
  app.decorate('gatewayLedger', { ...noLedger(), record: (settled) => records.push(settled) });
  app.addHook('onRequest', async (_request, reply) => reply.code(403).send('no'));
  await app.register(exchange, { drainTimeout: 0, clientTimeout: 60_000 });
  app.get('/', { config: recorded }, async () => 'never');
  await app.inject('/');
  assert.deepEqual(
    records.map(({ status, outcome, endReason }) => [status, outcome, endReason]),
    [[403, 'rejected', 'rejected_by_host']],
  );
});

/** A client that sends its request and can cut the connection. */
async function callOver(app: FastifyInstance) {
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  const socket = connect(address.port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
  return socket;
}

test('a client that leaves before the answer tells the work to stop, and leaves one record', async (t) => {
  const reached = withResolvers();
  const cancelled = withResolvers();
  const { app, records, first } = await setUp(t, (scope) =>
    scope.get('/', { config: recorded }, async (request) => {
      if (request.exchange !== null) request.exchange.onCancel = cancelled.resolve;
      reached.resolve();
      await cancelled.promise;
      return 'too late';
    }),
  );
  const socket = await callOver(app);
  await reached.promise;
  assert.equal(app.hasDecorator('gatewayExchanges'), false, 'it stays in its scope');
  socket.destroy();
  await Promise.all([cancelled.promise, first]);
  await app.close();
  assert.deepEqual(
    records.map(({ cancelled: why, status, outcome, endReason }) => [why, status, outcome, endReason]),
    [['client_gone', null, 'aborted', 'client_gone']],
  );
});

test('a client that leaves in the middle of the answer leaves one aborted record', async (t) => {
  const { app, records, first } = await setUp(t, (scope) => scope.get('/', { config: recorded }, endless));
  const socket = await callOver(app);
  await once(socket, 'data');
  socket.destroy();
  await first;
  await app.close();
  assert.deepEqual(
    records.map(({ status, outcome }) => [status, outcome]),
    [[200, 'aborted']],
  );
});

function endless(_request: FastifyRequest, reply: FastifyReply): void {
  const body = new Readable({ read() {} });
  body.push('first');
  reply.send(body);
}

test('closing waits for the exchanges in flight', async (t) => {
  const reached = withResolvers();
  const more = withResolvers();
  const { app, records } = await setUp(t, (scope) =>
    scope.get('/', { config: recorded }, async () => {
      reached.resolve();
      await more.promise;
      return 'done';
    }),
  );
  const answer = app.inject('/');
  await reached.promise;
  const closing = app.close();
  more.resolve();
  assert.equal((await answer).body, 'done');
  await closing;
  assert.deepEqual(
    records.map(({ outcome }) => outcome),
    ['ok'],
  );
});

test('what does not end before the deadline is told to stop', async (t) => {
  const reached = withResolvers();
  const stop = withResolvers();
  const { app, records } = await setUp(
    t,
    (scope) =>
      scope.get('/', { config: recorded }, async (request, reply) => {
        if (request.exchange !== null) request.exchange.onCancel = stop.resolve;
        reached.resolve();
        await stop.promise;
        return reply.code(503).send('shutting down');
      }),
    { drainTimeout: 10 },
  );
  const answer = app.inject('/');
  await reached.promise;
  await app.close();
  assert.equal((await answer).statusCode, 503);
  assert.deepEqual(
    records.map(({ cancelled, status }) => [cancelled, status]),
    [['shutdown', 503]],
  );
});

test('without a ledger the start fails, and says what is missing', async () => {
  const app = Fastify();
  app.register(exchange, { drainTimeout: 0, clientTimeout: 60_000 });
  await assert.rejects(async () => app.ready(), {
    code: 'FST_ERR_PLUGIN_NOT_PRESENT_IN_INSTANCE',
    message: /'gatewayLedger' required by 'gateway-exchange'/,
  });
});
