import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { chat, post, type Setup, startGateway } from '../helpers/gateway.js';
import {
  chatEvents,
  json,
  type Script,
  sseThenHang,
  startUpstream,
  withResolvers,
} from '../helpers/upstream.js';

/** A gateway before one scripted upstream, called `main`, with a second one that must stay unused. */
async function setUp(context: TestContext, script: Script, host: Setup['host'] = () => {}) {
  const upstream = await startUpstream(context, script);
  const second = await startUpstream(context, script);
  const gateway = await startGateway(context, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url },
      second: { type: 'openai-compatible', baseUrl: second.url },
    },
    routes: { both: { targets: ['main/test-model', 'second/test-model'] } },
    drainTimeout: 0,
    host,
  });
  return { upstream, second, gateway, chatUrl: `${gateway.url}/v1/chat/completions` };
}

/** A connection on which requests were written by hand. */
function write(gateway: { url: string }, ...requests: string[]): Socket {
  const { port, hostname } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(requests.join(''));
  return socket;
}

function request(body: unknown): string {
  const text = JSON.stringify(body);
  const head = `POST /ai/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`;
  return `${head}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

/** A script that never answers; `reached` resolves at the given number of requests, `left` when they are aborted. */
function hanging(count: number) {
  const reached = withResolvers();
  const left = withResolvers();
  let started = 0;
  let closed = 0;
  const script: Script = (response) => {
    response.on('close', () => ++closed === count && left.resolve());
    if (++started === count) reached.resolve();
  };
  return { script, reached: reached.promise, left: left.promise };
}

test('pipelined requests whose client leaves are all aborted and recorded', async (t) => {
  const { script, reached, left } = hanging(12);
  const { gateway } = await setUp(t, script);
  const warnings: Error[] = [];
  const warn = (warning: Error) => warnings.push(warning);
  process.on('warning', warn);
  t.after(() => process.off('warning', warn));
  const socket = write(gateway, ...Array.from({ length: 12 }, () => request(chat)));
  await reached;
  socket.destroy();
  await left;
  const rows = await gateway.exchanges(12);
  assert.deepEqual(
    new Set(rows.map((row) => `${row.outcome} ${row.end_reason}`)),
    new Set(['aborted client_gone']),
  );
  assert.deepEqual(warnings, []);
});

test('a client that left while a hook of the host was busy leaves one aborted record, and no upstream call', async (t) => {
  const reached = withResolvers();
  const left = withResolvers();
  const { upstream, gateway } = await setUp(t, sseThenHang(chatEvents), (app) =>
    app.addHook('onRequest', async ({ url, raw }) => {
      if (!url.includes('/v1/')) return;
      raw.socket.once('close', left.resolve);
      reached.resolve();
      await left.promise;
    }),
  );
  const socket = write(gateway, request(chat));
  await reached.promise;
  socket.destroy();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [null, 'aborted', 'client_gone']);
  const health = (await (await fetch(`${gateway.url}/health`)).json()) as { in_flight: number };
  assert.equal(health.in_flight, 0);
  assert.equal(upstream.seen.length, 0);
});

test('an answer that the host gave in the meantime stops the upstream, and no other target is tried', async (t) => {
  const { script, reached, left } = hanging(1);
  const { second, gateway, chatUrl } = await setUp(t, script, (app) =>
    app.addHook('preHandler', async ({ url }, reply) => {
      if (url.includes('/v1/')) reached.then(() => reply.code(503).send({ host: 'too slow' }));
    }),
  );
  const response = await post(chatUrl, { ...chat, model: 'both' });
  assert.deepEqual([response.status, await response.json()], [503, { host: 'too slow' }]);
  await left;
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome, row?.upstream_status], [503, 'failed', null]);
  assert.deepEqual(
    gateway.attempts().map(({ provider, reason }) => [provider, reason]),
    [['main', 'superseded']],
  );
  assert.equal(second.seen.length, 0);
});

test('a hook of the host that fails on a stream does not leave the upstream open', async (t) => {
  const left = withResolvers();
  const { gateway, chatUrl } = await setUp(
    t,
    (response, seen, incoming) => {
      response.on('close', left.resolve);
      sseThenHang(chatEvents.slice(0, 2))(response, seen, incoming);
    },
    (app) =>
      app.addHook('onSend', async ({ url }, reply, payload) => {
        if (url.includes('/v1/') && reply.statusCode === 200) throw new Error('the hook failed');
        return payload;
      }),
  );
  const response = await post(chatUrl, { ...chat, stream: true });
  assert.equal(response.status, 500);
  await left.promise;
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [500, 'failed', 'internal_error']);
});

test('a client that left before a hook of the host answered leaves one aborted record', async (t) => {
  const reached = withResolvers();
  const left = withResolvers();
  const { upstream, gateway } = await setUp(t, sseThenHang(chatEvents), (app) =>
    app.addHook('onRequest', async ({ url, raw }, reply) => {
      if (!url.includes('/v1/')) return;
      raw.socket.once('close', left.resolve);
      reached.resolve();
      await left.promise;
      return reply.code(401).send({ host: 'no' });
    }),
  );
  const socket = write(gateway, request(chat));
  await reached.promise;
  socket.destroy();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [null, 'aborted', 'client_gone']);
  assert.equal(upstream.seen.length, 0);
});

test("the time a hook of the host takes first is part of the latency, and not of the gateway's own share", async (t) => {
  const busyMs = 40;
  const { gateway, chatUrl } = await setUp(t, json(), (app) =>
    app.addHook('onRequest', async ({ url }) => {
      if (url.includes('/v1/')) await new Promise((resolve) => setTimeout(resolve, busyMs));
    }),
  );
  assert.equal((await post(chatUrl, chat)).status, 200);
  const [row] = await gateway.exchanges(1);
  const { total_us, overhead_us } = row ?? {};
  // A timer may ring a millisecond early.
  assert.ok(Number(total_us) >= (busyMs - 1) * 1000, `total ${total_us}`);
  assert.ok(
    Number(total_us) - Number(overhead_us) >= (busyMs - 1) * 1000,
    `overhead ${overhead_us} of ${total_us}`,
  );
});

test('an answer that waited behind another one and was never sent has no status', async (t) => {
  const answered = withResolvers();
  let count = 0;
  const { gateway } = await setUp(t, (response, seen, incoming) => {
    if (++count === 1) return;
    response.on('finish', answered.resolve);
    json()(response, seen, incoming);
  });
  const first = write(gateway, request(chat), request(chat));
  await answered.promise;
  // The gateway has read the answer once another request that came later is answered.
  await post(`${gateway.url}/v1/chat/completions`, chat);
  first.destroy();
  const rows = await gateway.exchanges(3);
  const aborted = rows.filter((row) => row.outcome === 'aborted');
  assert.deepEqual(
    aborted.map((row) => [row.status, row.end_reason]),
    [
      [null, 'client_gone'],
      [null, 'client_gone'],
    ],
  );
});
