import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import gateway from '../../src/index.js';
import { chat, temporaryFolder, waitForRows } from '../helpers/gateway.js';
import {
  chatEvents,
  completion,
  json,
  type Script,
  sseThenHang,
  startUpstream,
  withResolvers,
} from '../helpers/upstream.js';

interface Setup {
  script: Script;
  /** What a hook of the host waits for before the gateway sees the request. */
  hold?: Promise<void>;
}

/** A stream of an HTTP/2 connection to a gateway, on which a chat completion was asked for. */
async function ask(context: TestContext, { script, hold }: Setup, body: unknown) {
  const upstream = await startUpstream(context, script);
  const database = join(temporaryFolder(), 'gateway.db');
  const arrived = withResolvers();
  const app = Fastify({ http2: true });
  app.addHook('onRequest', async () => {
    arrived.resolve();
    await hold;
  });
  const providers = { main: { type: 'openai-compatible' as const, baseUrl: upstream.url } };
  // biome-ignore lint/suspicious/noExplicitAny: Fastify's types keep HTTP/1 plugins from HTTP/2 servers.
  await app.register(gateway as any, { prefix: '/ai', database: { path: database }, providers });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const session = connect(`http://127.0.0.1:${port}`);
  const close = () => {
    session.destroy();
    return app.close();
  };
  context.after(close);
  const path = '/ai/v1/chat/completions';
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' });
  stream.on('error', () => {});
  stream.end(JSON.stringify(body));
  return { stream, arrived: arrived.promise, close, rows: () => waitForRows(database, 1) };
}

/** Resets the stream, as a client does that no longer wants the answer. */
async function reset(stream: ClientHttp2Stream): Promise<void> {
  stream.close(constants.NGHTTP2_CANCEL);
  await once(stream, 'close');
}

test('a client that resets its stream before the headers is aborted, not an internal error', async (t) => {
  const reached = withResolvers();
  const left = withResolvers();
  const script: Script = (response) => {
    response.on('close', left.resolve);
    reached.resolve();
  };
  const { stream, rows } = await ask(t, { script }, chat);
  await reached.promise;
  await reset(stream);
  await left.promise;
  const [row] = await rows();
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [null, 'aborted', 'client_gone']);
});

test('a client that resets its stream in the middle of the answer is aborted, not ok', async (t) => {
  const { stream, rows } = await ask(
    t,
    { script: sseThenHang(chatEvents.slice(0, 2)) },
    { ...chat, stream: true },
  );
  await once(stream, 'data');
  await reset(stream);
  const [row] = await rows();
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [200, 'aborted', 'client_gone']);
});

test('a client that resets its stream before it took a JSON answer in full is aborted, not ok', async (t) => {
  const large = { ...completion, pad: 'x'.repeat(4 * 1024 * 1024) };
  const { stream, rows } = await ask(t, { script: json(large) }, chat);
  await once(stream, 'response');
  await reset(stream);
  const [row] = await rows();
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [200, 'aborted', 'client_gone']);
});

test('a stream that is reset while a hook of the host is busy leaves one record', async (t) => {
  const go = withResolvers();
  const { stream, arrived, close, rows } = await ask(t, { script: json(), hold: go.promise }, chat);
  await arrived;
  await reset(stream);
  // The gateway hears of the reset from Fastify before the host's hook lets the request pass.
  const [before] = await rows();
  assert.deepEqual([before?.status, before?.outcome, before?.end_reason], [null, 'aborted', 'client_gone']);
  go.resolve();
  await close();
  assert.equal((await rows()).length, 1);
});
