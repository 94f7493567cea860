import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import gateway from '../../src/index.js';
import { errorOf, startGateway, temporaryFolder, waitForRows } from '../helpers/gateway.js';
import { json, refusingUrl, type Script, startUpstream, withResolvers } from '../helpers/upstream.js';

/** A gateway that passes everything on to one provider. */
function passingOn(context: TestContext, baseUrl: string, timeouts: object = {}) {
  return startGateway(context, {
    providers: { main: { type: 'openai-compatible', baseUrl, timeouts } },
    passthroughProvider: 'main',
  });
}

/** An upload of which only the first bytes are sent until `finish`. */
function upload(url: string, length = 200_000) {
  const outgoing = httpRequest(`${url}/v1/files`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'content-length': length },
  });
  const errors: Error[] = [];
  outgoing.on('error', (error) => errors.push(error));
  const answer = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  outgoing.write(Buffer.alloc(length / 2));
  return { outgoing, errors, answer, finish: () => outgoing.end(Buffer.alloc(length / 2)) };
}

async function textOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of message) text += piece;
  return text;
}

/** A server that says something as soon as the head of a request has come, whatever the rest. */
async function startAbrupt(t: TestContext, answer: string): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => (answer === '' ? socket.resetAndDestroy() : socket.write(answer)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

test('an upload to a provider that refuses the connection gets its 502 before it has ended', async (t) => {
  const gateway = await passingOn(t, await refusingUrl());
  const { answer, errors, finish } = upload(gateway.url);
  const [response] = await answer;
  assert.equal(response.statusCode, 502);
  assert.match(await textOf(response), /upstream unreachable/);
  finish();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [502, 'failed', 'upstream_unreachable']);
  assert.deepEqual(errors, []);
});

test('an upload whose provider breaks off gets its 502', async (t) => {
  const gateway = await passingOn(t, await startAbrupt(t, ''));
  const { answer, errors, finish } = upload(gateway.url);
  const [response] = await answer;
  assert.equal(response.statusCode, 502);
  response.resume();
  finish();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['failed', 'upstream_reset']);
  assert.deepEqual(errors, []);
});

test('an answer that comes before the upload has ended reaches the client, whose connection stays', async (t) => {
  const body = '{"error":{"message":"Too large."}}';
  const head = 'HTTP/1.1 413 Too Large\r\ncontent-type: application/json\r\n';
  const gateway = await passingOn(
    t,
    await startAbrupt(t, `${head}content-length: ${body.length}\r\n\r\n${body}`),
  );
  const { answer, errors, finish } = upload(gateway.url);
  const [response] = await answer;
  assert.deepEqual([response.statusCode, await textOf(response)], [413, body]);
  finish();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome, row?.upstream_status], [413, 'failed', 413]);
  assert.deepEqual(errors, []);
});

test('a provider that says nothing after an upload is given up after its first-byte time', async (t) => {
  const upstream = await startUpstream(t, () => {});
  const gateway = await passingOn(t, upstream.url, { firstByte: '100ms', total: '3s' });
  const response = await fetch(`${gateway.url}/v1/files`, { method: 'POST', body: 'all of it' });
  assert.equal(response.status, 504);
  assert.match((await errorOf(response)).message, /first byte timeout/);
});

test('an upload may take longer than the first-byte time', async (t) => {
  const upstream = await startUpstream(t, json());
  const gateway = await passingOn(t, upstream.url, { firstByte: '100ms' });
  const { answer, finish } = upload(gateway.url);
  await new Promise((resolve) => setTimeout(resolve, 250));
  finish();
  const [response] = await answer;
  assert.equal(response.statusCode, 200);
  response.resume();
});

test('an HTTP/2 client that resets its upload sends no half of it as a whole', async (t) => {
  const reached = withResolvers();
  const upstream = await startUpstream(t, json());
  const script: Script = json();
  upstream.script(script);
  const database = join(temporaryFolder(), 'gateway.db');
  const app = Fastify({ http2: true });
  const providers = { main: { type: 'openai-compatible' as const, baseUrl: upstream.url } };
  // biome-ignore lint/suspicious/noExplicitAny: Fastify's types keep HTTP/1 plugins from HTTP/2 servers.
  await app.register(gateway as any, {
    database: { path: database },
    providers,
    passthroughProvider: 'main',
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  app.server.on('stream', (stream) => stream.once('data', reached.resolve));
  const { port } = app.server.address() as AddressInfo;
  const session = connect(`http://127.0.0.1:${port}`);
  t.after(() => {
    session.destroy();
    return app.close();
  });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/v1/files',
    'content-type': 'application/octet-stream',
  });
  stream.on('error', () => {});
  stream.write(Buffer.alloc(1000));
  await reached.promise;
  while (upstream.sockets.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  stream.destroy();
  const [row] = await waitForRows(database, 1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['aborted', 'client_gone']);
  while (upstream.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(upstream.seen.length, 0);
});
