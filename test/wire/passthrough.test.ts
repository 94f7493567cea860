import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { chat, errorOf, post, startGateway } from '../helpers/gateway.js';
import { failing, json, type Script, sse, startUpstream, withResolvers } from '../helpers/upstream.js';

const KEY = 'gw-0123456789abcdef';

async function setUp(t: TestContext, script: Script, options: object = {}) {
  const upstream = await startUpstream(t, script);
  const other = await startUpstream(t, json({ object: 'other' }));
  const gateway = await startGateway(t, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: 'provider-key' },
      other: { type: 'openai-compatible', baseUrl: other.url },
    },
    passthroughProvider: 'main',
    ...options,
  });
  return { upstream, other, gateway, url: `${gateway.url}/v1` };
}

/** The whole answer, or the error that the client gets instead. */
async function fetchRaw(url: string, options: Parameters<typeof httpRequest>[1], body?: Buffer) {
  const outgoing = httpRequest(url, options);
  outgoing.end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

test('what is not routed by a model goes to the configured provider as it is, and is recorded', async (t) => {
  const { upstream, gateway, url } = await setUp(t, json({ object: 'list', data: [] }));
  const response = await fetch(`${url}/files?limit=2&after=a%2Fb`, {
    headers: { 'openai-beta': 'x', authorization: 'Bearer ignored' },
  });
  assert.deepEqual([response.status, await response.json()], [200, { object: 'list', data: [] }]);
  assert.equal(response.headers.get('x-gateway-provider'), 'main');
  assert.equal(response.headers.get('x-gateway-model'), null);
  const [seen] = upstream.seen;
  assert.deepEqual([seen?.method, seen?.url], ['GET', '/v1/files?limit=2&after=a%2Fb']);
  assert.deepEqual(
    [seen?.headers.authorization, seen?.headers['openai-beta'], seen?.headers['content-length']],
    ['Bearer provider-key', 'x', undefined],
  );
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(
    [row?.endpoint, row?.method, row?.provider, row?.model, row?.outcome, row?.status],
    ['/v1/files', 'GET', 'main', null, 'ok', 200],
  );
  assert.deepEqual(
    gateway.attempts().map(({ provider, model, reason }) => [provider, model, reason]),
    [['main', '*', 'answered']],
  );
});

test('a caller can name the provider, for one that is not there it is told so', async (t) => {
  const { upstream, other, url } = await setUp(t, json());
  const named = await fetch(`${url}/batches/1`, { headers: { 'x-gateway-provider': 'other' } });
  assert.deepEqual(await named.json(), { object: 'other' });
  assert.equal(other.seen[0]?.headers['x-gateway-provider'], undefined);
  const unknown = await fetch(`${url}/batches/1`, { headers: { 'x-gateway-provider': 'nobody' } });
  const error = await errorOf(unknown);
  assert.deepEqual(
    [unknown.status, error.code, error.param],
    [400, 'invalid_request_error', 'x-gateway-provider'],
  );
  assert.equal(upstream.seen.length, 0);
});

test('without a configured provider it is a 404, unless the caller names one', async (t) => {
  const { url } = await setUp(t, json({ object: 'file' }), { passthroughProvider: undefined });
  assert.equal((await fetch(`${url}/files/1`)).status, 404);
  const named = await fetch(`${url}/files/1`, { headers: { 'x-gateway-provider': 'main' } });
  assert.deepEqual([named.status, await named.json()], [200, { object: 'file' }]);
});

test('every method passes, with the body as it was sent', async (t) => {
  const { upstream, url } = await setUp(t, (response, seen) =>
    response.writeHead(201, { 'content-type': 'text/plain', 'x-method': seen.method }).end(seen.body),
  );
  const body = Buffer.from('{"a": 1.0,\u0000 not json');
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const answer = await fetchRaw(`${url}/threads/1/x`, { method, headers }, body);
    assert.equal(answer.status, 201);
    assert.equal(answer.headers['x-method'], method);
    assert.deepEqual(answer.body, body);
  }
  const head = await fetchRaw(`${url}/files/1/content`, { method: 'HEAD' });
  assert.deepEqual([head.status, head.body.length, head.headers['x-method']], [201, 0, 'HEAD']);
  assert.equal(upstream.seen.length, 5);
});

test('a body without a length or a type is passed on too', async (t) => {
  const { upstream, url } = await setUp(t, json());
  const outgoing = httpRequest(`${url}/uploads/1/parts`, { method: 'POST' });
  outgoing.write('one ');
  outgoing.end('two');
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  assert.equal(upstream.seen[0]?.body.toString(), 'one two');
});

test('an upload reaches the upstream while it is still being sent', async (t) => {
  const arrived = withResolvers();
  const upstream = await startStreamingUpstream(t, arrived.resolve);
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream } },
    passthroughProvider: 'main',
  });
  const outgoing = httpRequest(`${gateway.url}/v1/files`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': 200_000 },
  });
  outgoing.write(Buffer.alloc(100_000));
  await arrived.promise;
  outgoing.end(Buffer.alloc(100_000));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.resume();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.bytes_in, row?.outcome], [200, 200_000, 'ok']);
});

/** Answers once it has read all; says so when the first bytes of a body come. */
async function startStreamingUpstream(t: TestContext, onBytes: () => void): Promise<string> {
  const { createServer } = await import('node:http');
  const server = createServer((request, response) => {
    request.on('data', onBytes);
    request.on('end', () => response.end('{}'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}/v1`;
}

test('a download keeps its length, its range and its type', async (t) => {
  const file = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
  const { upstream, url } = await setUp(t, (response) =>
    response
      .writeHead(206, {
        'content-type': 'application/octet-stream',
        'content-length': file.length,
        'content-range': 'bytes 0-299999/400000',
      })
      .end(file),
  );
  const answer = await fetchRaw(`${url}/files/1/content`, { headers: { range: 'bytes=0-299999' } });
  assert.equal(answer.status, 206);
  assert.deepEqual(answer.body, file);
  assert.equal(answer.headers['content-length'], '300000');
  assert.equal(answer.headers['content-range'], 'bytes 0-299999/400000');
  assert.equal(upstream.seen[0]?.headers.range, 'bytes=0-299999');
});

test('a download that breaks off breaks off for the client too, and is recorded as truncated', async (t) => {
  const { gateway, url } = await setUp(t, (response, _seen, request) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.write(Buffer.alloc(1000), () => request.socket.resetAndDestroy());
  });
  await assert.rejects(async () => (await fetch(`${url}/files/1/content`)).arrayBuffer());
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(
    [row?.status, row?.outcome, row?.end_reason, row?.bytes_out],
    [200, 'truncated', 'upstream_reset', 1000],
  );
});

test('a client that leaves in the middle of its upload takes the upstream call with it', async (t) => {
  const { upstream, gateway, url } = await setUp(t, json());
  const outgoing = httpRequest(`${url}/files`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'content-length': 1_000_000 },
  });
  outgoing.on('error', () => {});
  outgoing.write(Buffer.alloc(10_000));
  while (upstream.sockets.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  outgoing.destroy();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason, row?.bytes_in], ['aborted', 'client_gone', null]);
  while (upstream.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(upstream.seen.length, 0, 'half a file is never taken for a whole one');
});

test('an error passes on, and says nothing about the models of its provider', async (t) => {
  const { upstream, gateway, url } = await setUp(t, failing(404, 'No such file'));
  const missing = await fetch(`${url}/files/1`);
  assert.deepEqual([missing.status, (await errorOf(missing)).message], [404, 'No such file']);
  upstream.script(failing(401, 'Wrong key provider-key'));
  const refused = await fetch(`${url}/files/1`);
  const error = await errorOf(refused);
  assert.deepEqual([refused.status, error.code], [401, 'upstream_authentication_failed']);
  assert.ok(!JSON.stringify(error).includes('provider-key'));
  upstream.script(json());
  assert.equal((await post(`${gateway.url}/v1/chat/completions`, chat)).status, 200);
});

test('a stream of an API the gateway does not know ends as its upstream ends it', async (t) => {
  const events = ['event: thread.run.created\ndata: {"id":"run_1"}\n\n', 'event: thread.run.x\ndata: {}\n\n'];
  const { gateway, url } = await setUp(t, sse(events));
  const response = await post(`${url}/threads/1/runs`, { stream: true });
  assert.equal(await response.text(), events.join(''));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.streaming, row?.chunks], ['ok', 1, 2]);
});

test('a stored response that is streamed again must say its end', async (t) => {
  const { gateway, url } = await setUp(
    t,
    sse(['data: {"type":"response.output_text.delta","delta":"Hel"}\n\n']),
  );
  const text = await (await fetch(`${url}/responses/resp_1?stream=true`)).text();
  assert.match(text, /upstream incomplete/);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['truncated', 'upstream_incomplete']);
});

test('a redirect is passed on, not followed', async (t) => {
  const { url } = await setUp(t, (response) =>
    response.writeHead(302, { location: 'https://files.example/1' }).end(),
  );
  const answer = await fetch(`${url}/files/1/content`, { redirect: 'manual' });
  assert.deepEqual([answer.status, answer.headers.get('location')], [302, 'https://files.example/1']);
});

test('a path that would leave the provider’s base URL is refused', async (t) => {
  const { upstream, gateway } = await setUp(t, json());
  const { hostname, port, pathname } = new URL(gateway.url);
  const paths = [
    '/v1/../admin',
    '/v1/files/%2e%2e/%2E%2e/x',
    '/v1/a/..%2f..%2fb',
    '/v1/a/%252e%252e/b',
    '/v1/..%5cx',
  ];
  for (const path of paths) {
    const socket = connect(Number(port), hostname);
    socket.write(`GET ${pathname}${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += chunk;
    assert.match(text, /^HTTP\/1.1 40[04]/, path);
  }
  assert.equal(upstream.seen.length, 0);
});

test('a key that is bound to routes has no way around them', async (t) => {
  const { upstream, url } = await setUp(t, json(), {
    routes: { main: { targets: ['main/test-model'] } },
    keys: [{ name: 'web', key: KEY, routes: ['main'] }],
  });
  const headers = { authorization: `Bearer ${KEY}` };
  for (const named of ['main', 'nobody']) {
    const response = await fetch(`${url}/files`, { headers: { ...headers, 'x-gateway-provider': named } });
    const error = await errorOf(response);
    assert.deepEqual([response.status, error.code], [403, 'insufficient_permissions']);
    assert.ok(!error.message.includes('other'), 'the names of providers stay the operator’s');
  }
  assert.equal(upstream.seen.length, 0);
});
