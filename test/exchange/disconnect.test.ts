import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { Exchanges } from '../../src/live.js';
import { chat, rawPost, startGateway } from '../helpers/gateway.js';
import {
  chatEvents,
  completion,
  json,
  type Script,
  sseThenHang,
  startUpstream,
  withResolvers,
} from '../helpers/upstream.js';

const streamed = JSON.stringify({ ...chat, stream: true });

async function setUp(t: TestContext, script: Script, options: object = {}) {
  const upstream = await startUpstream(t, script);
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    disconnect: 'drain',
    ...options,
    host: (app) => {
      app.addHook('onRequest', async ({ server }, reply) => {
        live = server.gatewayExchanges;
        reply.raw.once('close', left.resolve);
      });
    },
  });
  const left = withResolvers();
  let live: Exchanges | null = null;
  const inFlight = () => live?.size;

  /** Cuts the client off, and waits until the gateway has seen that. */
  async function leave(outgoing: ClientRequest): Promise<void> {
    outgoing.on('error', () => {});
    outgoing.destroy();
    await left.promise;
  }
  return { upstream, gateway, inFlight, leave, url: `${gateway.url}/v1/chat/completions` };
}

/** Sends events, then waits, then sends the rest. */
function inTwoParts(events: readonly string[], release: Promise<void>): Script {
  return async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(events.slice(0, 2).join(''));
    await release;
    response.end(events.slice(2).join(''));
  };
}

test('under drain the answer is read on for the record, and there is one row', async (t) => {
  const release = withResolvers();
  const { upstream, gateway, inFlight, leave, url } = await setUp(t, inTwoParts(chatEvents, release.promise));
  const { outgoing, response } = rawPost(url, streamed);
  await once(await response, 'data');
  await leave(outgoing);
  assert.equal(inFlight(), 1);
  release.resolve();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason, row?.status], ['aborted', 'client_gone', 200]);
  assert.deepEqual(
    [row?.usage_source, row?.input_uncached_tokens, row?.output_text_tokens, row?.finish_reason],
    ['reported', 10, 2, 'stop'],
  );
  assert.equal(inFlight(), 0);
  assert.equal(upstream.seen.length, 1);
});

test('a whole answer is waited for too, and is nobody’s success', async (t) => {
  const release = withResolvers();
  const { upstream, gateway, leave, url } = await setUp(t, async (response, seen, request) => {
    arrived.resolve();
    await release.promise;
    json(completion)(response, seen, request);
  });
  const arrived = withResolvers();
  const { outgoing } = rawPost(url, JSON.stringify(chat));
  await arrived.promise;
  await leave(outgoing);
  release.resolve();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason, row?.status], ['aborted', 'client_gone', null]);
  assert.deepEqual([row?.usage_source, row?.output_text_tokens], ['reported', 2]);
  assert.equal(upstream.seen.length, 1);
});

test('a drain ends after its time, and what was seen is recorded', async (t) => {
  const { upstream, gateway, inFlight, leave, url } = await setUp(t, sseThenHang(chatEvents.slice(0, 3)), {
    drainLimit: { time: '50ms' },
  });
  const { outgoing, response } = rawPost(url, streamed);
  await once(await response, 'data');
  await leave(outgoing);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.usage_source, row?.chunks], ['aborted', 'estimated', 3]);
  while (upstream.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(inFlight(), 0);
});

test('a drain ends after its bytes', async (t) => {
  const { upstream, gateway, leave, url } = await setUp(
    t,
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const more = (): void => {
        if (response.destroyed) return;
        response.write(chatEvents[1], () => setImmediate(more));
      };
      more();
    },
    { drainLimit: { bytes: 20_000 } },
  );
  const { outgoing, response } = rawPost(url, streamed);
  await once(await response, 'data');
  await leave(outgoing);
  const [row] = await gateway.exchanges(1);
  assert.equal(row?.outcome, 'aborted');
  while (upstream.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('a client that was slow before it left is drained as well', async (t) => {
  const release = withResolvers();
  const big = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'x'.repeat(900_000) } }] })}\n\n`;
  const { gateway, leave, url } = await setUp(
    t,
    inTwoParts([...Array(40).fill(big), ...chatEvents], release.promise),
    {
      drainLimit: { bytes: '100MB' },
    },
  );
  const { outgoing, response } = rawPost(url, streamed);
  (await response).pause();
  release.resolve();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await leave(outgoing);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.usage_source], ['aborted', 'reported']);
});

test('a shutdown ends a drain', async (t) => {
  const { gateway, leave, url } = await setUp(t, sseThenHang(chatEvents.slice(0, 3)), { drainTimeout: 20 });
  const { outgoing, response } = rawPost(url, streamed);
  await once(await response, 'data');
  await leave(outgoing);
  await gateway.app.close();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['aborted', 'client_gone']);
});

test('under drain no second target is asked when nobody waits', async (t) => {
  const release = withResolvers();
  const arrived = withResolvers();
  const { upstream, gateway, leave, url } = await setUp(t, async (response, seen, request) => {
    arrived.resolve();
    await release.promise;
    json({ error: { message: 'down' } }, 500)(response, seen, request);
  });
  const { outgoing } = rawPost(url, JSON.stringify(chat));
  await arrived.promise;
  await leave(outgoing);
  release.resolve();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.attempts], ['aborted', 1]);
  assert.equal(upstream.seen.length, 1);
});

test('under abort the upstream’s connection is closed within 100 ms', async (t) => {
  const { upstream, gateway, inFlight, leave, url } = await setUp(t, sseThenHang(chatEvents.slice(0, 3)), {
    disconnect: 'abort',
  });
  const { outgoing, response } = rawPost(url, streamed);
  await once(await response, 'data');
  const [socket] = upstream.sockets;
  assert.ok(socket);
  const gone = once(socket, 'close');
  const left = performance.now();
  await leave(outgoing);
  await gone;
  assert.ok(performance.now() - left < 100, `${performance.now() - left} ms`);
  const [row] = await gateway.exchanges(1);
  assert.equal(row?.outcome, 'aborted');
  assert.equal(inFlight(), 0);
});
