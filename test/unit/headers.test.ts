import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rateLimitSnapshot, requestHeaders, responseHeaders } from '../../src/upstream/headers.js';

const keyless = { apiKey: null };
const json = { length: null, asItIs: false };

test('the provider reads its own credential, never the client’s', () => {
  const client = {
    authorization: 'Bearer gateway-key',
    'x-api-key': 'gateway-key',
    'api-key': 'gateway-key',
    'x-goog-api-key': 'gateway-key',
    cookie: 'session=1',
  };
  assert.deepEqual(requestHeaders(client, 'provider-key', json), {
    'accept-encoding': 'identity',
    authorization: 'Bearer provider-key',
  });
  assert.deepEqual(requestHeaders(client, null, json), { 'accept-encoding': 'identity' });
});

test('end-to-end headers of the client go upstream as they are', () => {
  const client = {
    'content-type': 'application/json; charset=utf-8',
    accept: 'text/event-stream',
    'user-agent': 'OpenAI/JS 6',
    'openai-organization': 'org-1',
    'openai-beta': 'assistants=v2',
    'anthropic-beta': 'tools-2024',
    traceparent: '00-1-2-01',
  };
  assert.deepEqual(requestHeaders(client, null, json), { ...client, 'accept-encoding': 'identity' });
});

test('hop-by-hop headers, the gateway’s own and what tells of the client stay here', () => {
  const client = {
    connection: 'keep-alive',
    'keep-alive': 'timeout=5',
    te: 'trailers',
    trailer: 'x',
    'transfer-encoding': 'chunked',
    upgrade: 'h2c',
    'proxy-authorization': 'Basic x',
    'proxy-connection': 'keep-alive',
    'content-length': '12',
    'accept-encoding': 'br',
    host: 'gateway.test',
    expect: '100-continue',
    origin: 'https://app.test',
    referer: 'https://app.test/',
    forwarded: 'for=1.2.3.4',
    'x-forwarded-for': '1.2.3.4',
    'x-real-ip': '1.2.3.4',
    'x-request-id': 'r',
    'x-session-id': 's',
    'x-gateway-policy': 'p',
    'sec-fetch-mode': 'cors',
    'cf-connecting-ip': '1.2.3.4',
  };
  assert.deepEqual(requestHeaders(client, null, json), { 'accept-encoding': 'identity' });
});

test('what the connection header names is hop-by-hop in both directions', () => {
  const headers = { connection: 'Keep-Alive, X-Foo ,x-bar', 'x-foo': '1', 'x-bar': '2', 'x-baz': '3' };
  assert.deepEqual(requestHeaders(headers, null, json), { 'x-baz': '3', 'accept-encoding': 'identity' });
  assert.deepEqual(responseHeaders(headers, keyless), { 'x-baz': '3' });
  assert.deepEqual(responseHeaders({ ...headers, connection: ['close', 'x-baz'] }, keyless), {
    'x-foo': '1',
    'x-bar': '2',
  });
});

test('a repeated header of the client goes up as one line, of the upstream comes back as several', () => {
  const client: Record<string, string | string[]> = { 'x-many': ['a', 'b'] };
  assert.equal(requestHeaders(client, null, json)['x-many'], 'a, b');
  assert.deepEqual(responseHeaders({ 'x-many': ['a', 'b'] }, keyless), { 'x-many': ['a', 'b'] });
});

test('absent values are left out', () => {
  assert.deepEqual(requestHeaders({ accept: undefined }, null, json), { 'accept-encoding': 'identity' });
  assert.deepEqual(responseHeaders({ etag: undefined }, keyless), {});
});

test('the upstream’s end-to-end headers reach the client, its connection, cookies and claims do not', () => {
  const kept = {
    'content-type': 'application/json',
    'openai-processing-ms': '12',
    'openai-version': '2020-10-01',
    'anthropic-ratelimit-tokens-remaining': '9',
    'x-ratelimit-remaining-requests': '59',
    'retry-after': '3',
  };
  const dropped = {
    connection: 'keep-alive',
    'keep-alive': 'timeout=5',
    'transfer-encoding': 'chunked',
    'content-length': '10',
    'content-encoding': 'gzip',
    date: 'today',
    server: 'nginx',
    'set-cookie': ['a=1', 'b=2'],
    'alt-svc': 'h3',
    'strict-transport-security': 'max-age=1',
    'x-request-id': 'req_upstream',
    'x-gateway-provider': 'pretender',
    'access-control-allow-origin': '*',
  };
  assert.deepEqual(responseHeaders({ ...kept, ...dropped }, keyless), kept);
});

test('the snapshot holds the rate-limit headers and nothing else', () => {
  const snapshot = rateLimitSnapshot(
    {
      'x-ratelimit-remaining-tokens': '100',
      'anthropic-ratelimit-requests-reset': '2026-01-01T00:00:00Z',
      'retry-after-ms': '20',
      'content-type': 'application/json',
      authorization: 'secret',
    },
    keyless,
  );
  assert.deepEqual(JSON.parse(snapshot ?? ''), {
    'x-ratelimit-remaining-tokens': '100',
    'anthropic-ratelimit-requests-reset': '2026-01-01T00:00:00Z',
    'retry-after-ms': '20',
  });
  assert.equal(rateLimitSnapshot({ 'content-type': 'application/json' }, keyless), null);
});
