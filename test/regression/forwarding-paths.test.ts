import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Setup, startGateway } from '../helpers/gateway.js';
import { json, startUpstream } from '../helpers/upstream.js';

async function setUp(t: TestContext, more: Partial<Setup> = {}) {
  const upstream = await startUpstream(t, json({ object: 'list' }));
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: 'provider-key' } },
    passthroughProvider: 'main',
    ...more,
  });
  return { upstream, gateway };
}

/** What the gateway says to a head that was written by hand. */
async function say(url: string, head: string): Promise<string> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(head);
  let text = '';
  for await (const piece of socket) text += piece;
  return text;
}

const end = 'host: localhost\r\nconnection: close\r\n\r\n';

test('a URL in absolute form leads to the same path as one in origin form', async (t) => {
  const { upstream, gateway } = await setUp(t);
  const text = await say(gateway.url, `GET http://elsewhere.invalid/ai/v1/files?a=1 HTTP/1.1\r\n${end}`);
  assert.match(text, /^HTTP\/1.1 200/);
  assert.deepEqual(
    upstream.seen.map(({ url }) => url),
    ['/v1/files?a=1'],
  );
});

test('a dot segment with parameters, which some servers resolve, is refused', async (t) => {
  const { upstream, gateway } = await setUp(t);
  for (const path of [
    '/files/..;/..;x=1/admin',
    '/files/%2e%2e;/x',
    '/files/..%3b/x',
    '/a/..%253b%2fb',
    '/a/.%2e;%41/b',
    '/a%2f..;/b',
  ]) {
    const text = await say(gateway.url, `GET /ai/v1${path} HTTP/1.1\r\n${end}`);
    assert.match(text, /^HTTP\/1.1 400/, path);
  }
  assert.equal(upstream.seen.length, 0);
});

test('a fragment, which no request has, is not sent upstream', async (t) => {
  const { upstream, gateway } = await setUp(t);
  const text = await say(gateway.url, `GET /ai/v1/files#x HTTP/1.1\r\n${end}`);
  assert.match(text, /^HTTP\/1.1 [24]0/);
  assert.deepEqual(
    upstream.seen.map(({ url }) => url).filter((url) => url.includes('#')),
    [],
  );
});

test('an upgrade request is answered as a plain one, and nothing of the upgrade goes upstream', async (t) => {
  const { upstream, gateway } = await setUp(t);
  const head = `GET /ai/v1/realtime HTTP/1.1\r\nhost: localhost\r\nconnection: close, upgrade, x-private\r\nupgrade: websocket\r\nsec-websocket-key: a\r\nx-private: secret\r\n\r\n`;
  const text = await say(gateway.url, head);
  assert.match(text, /^HTTP\/1.1 200/);
  const headers: IncomingHttpHeaders = upstream.seen[0]?.headers ?? {};
  assert.deepEqual(
    [headers.upgrade, headers['sec-websocket-key'], headers['x-private'], headers.connection],
    [undefined, undefined, undefined, 'keep-alive'],
  );
});

test('a request that expects a 100 gets it, and its body arrives', async (t) => {
  const { upstream, gateway } = await setUp(t);
  const { port, hostname } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    'POST /ai/v1/files HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n',
  );
  let text = '';
  for await (const piece of socket) {
    text += piece;
    if (text.startsWith('HTTP/1.1 100') && text.length < 40) socket.write('abc');
  }
  assert.match(text, /HTTP\/1.1 200/);
  assert.deepEqual(
    upstream.seen.map(({ body, headers }) => [String(body), headers.expect]),
    [['abc', undefined]],
  );
});

test('a body that a GET brings does not become the next request', async (t) => {
  const { upstream, gateway } = await setUp(t);
  const hidden = 'GET /ai/v1/hidden HTTP/1.1\r\nhost: x\r\n\r\n';
  const text = await say(
    gateway.url,
    `GET /ai/v1/files HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\nGET /ai/v1/last HTTP/1.1\r\n${end}`,
  );
  assert.equal(text.split('HTTP/1.1 200').length, 3);
  assert.deepEqual(
    upstream.seen.map(({ url }) => url),
    ['/v1/files', '/v1/last'],
  );
});

test('a request that names a type and has no body is sent without one', async (t) => {
  const { upstream, gateway } = await setUp(t);
  for (const method of ['DELETE', 'POST']) {
    const response = await fetch(`${gateway.url}/v1/files/1`, {
      method,
      headers: { 'content-type': 'application/json' },
    });
    assert.equal(response.status, 200);
  }
  assert.deepEqual(
    upstream.seen.map(({ method, headers }) => [method, headers['transfer-encoding']]),
    [
      ['DELETE', undefined],
      ['POST', undefined],
    ],
  );
});
