import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { chat, post, rawPost, startGateway } from '../helpers/gateway.js';
import { completion, json, type Script, sse, startUpstream } from '../helpers/upstream.js';

const price = { input: 2.5, output: 10 };

async function setUp(context: TestContext, script: Script = json()) {
  const upstream = await startUpstream(context, script);
  const gateway = await startGateway(context, {
    providers: {
      main: {
        type: 'openai-compatible',
        baseUrl: upstream.url,
        apiKey: 'provider-key',
        models: { 'test-model': { price } },
      },
    },
    routes: { fast: { targets: ['main/test-model'] } },
    policies: { p: {} },
    // A forwarding header would otherwise make the caller a remote one.
    anonymous: 'anywhere',
  });
  return { upstream, gateway, chatUrl: `${gateway.url}/v1/chat/completions` };
}

async function read(response: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const forUpstream = {
  'openai-organization': 'org-1',
  'openai-beta': 'assistants=v2',
  'anthropic-version': '2023-06-01',
  'anthropic-beta': 'a, b',
  'user-agent': 'my-app/1.0',
  'idempotency-key': 'abc',
  'x-custom': 'kept',
  accept: 'application/json',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
};
const notForUpstream = {
  cookie: 'session=1',
  'x-api-key': 'client-key',
  'api-key': 'client-key',
  'x-goog-api-key': 'client-key',
  'x-gateway-policy': 'p',
  'x-gateway-anything': 'p',
  'x-forwarded-host': 'inside.example',
  'x-forwarded-proto': 'https',
  'x-session-id': 's-1',
  'x-request-id': 'r-1',
  'proxy-authorization': 'Basic abc',
  te: 'trailers',
  'keep-alive': 'timeout=5',
  'x-hop': 'named by connection',
  origin: 'https://app.example',
  referer: 'https://app.example/page',
};

test('end-to-end headers go up; credentials, cookies and hop-by-hop headers do not', async (t) => {
  const { upstream, chatUrl, gateway } = await setUp(t);
  const { response } = rawPost(chatUrl, JSON.stringify(chat), {
    ...forUpstream,
    ...notForUpstream,
    authorization: 'Bearer client-key',
    connection: 'keep-alive, X-Hop',
    'accept-encoding': 'gzip, br',
  });
  const answer = await response;
  answer.resume();
  assert.equal(answer.statusCode, 200);
  const seen = upstream.seen[0]?.headers ?? {};
  for (const [name, value] of Object.entries(forUpstream)) assert.equal(seen[name], value, name);
  for (const name of Object.keys(notForUpstream)) assert.equal(seen[name], undefined, name);
  assert.equal(seen.authorization, 'Bearer provider-key');
  assert.equal(seen.host, new URL(upstream.url).host);
  assert.equal(seen['accept-encoding'], 'identity');
  assert.ok(!JSON.stringify(seen).includes('client-key'));
  assert.equal((await gateway.exchanges(1))[0]?.correlation_id, 'r-1');
});

test('a provider without a key gets no authorization at all', async (t) => {
  const upstream = await startUpstream(t, json());
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  await post(`${gateway.url}/v1/chat/completions`, chat, { authorization: 'Bearer client-key' });
  assert.equal(upstream.seen.length, 1);
  assert.equal(upstream.seen[0]?.headers.authorization, undefined);
});

test('end-to-end headers of the answer come back; cookies, origins and hop-by-hop headers do not', async (t) => {
  const text = `{ "id":"x", "big":9007199254740993,\n"choices":[],"model":"m\\u0041","pi":1.0 }\n`;
  const { chatUrl } = await setUp(t, (response) => {
    response.writeHead(200, {
      'content-type': 'application/json',
      'openai-processing-ms': '12',
      'openai-version': '2020-10-01',
      'x-ratelimit-remaining-requests': '59',
      'x-custom': ['a', 'b'],
      'set-cookie': ['a=1', 'b=2'],
      'access-control-allow-origin': '*',
      'access-control-expose-headers': 'x',
      'strict-transport-security': 'max-age=1',
      'alt-svc': 'h3=":443"',
      'x-request-id': 'of-the-upstream',
      'x-gateway-provider': 'a lie',
      'x-hop': 'named by connection',
      connection: 'keep-alive, x-hop',
      server: 'upstream/1',
    });
    response.write(text.slice(0, 10));
    response.end(text.slice(10));
  });
  const answer = await rawPost(chatUrl, JSON.stringify(chat)).response;
  assert.equal((await read(answer)).toString('utf8'), text);
  const { headers } = answer;
  assert.equal(headers['openai-processing-ms'], '12');
  assert.equal(headers['openai-version'], '2020-10-01');
  assert.equal(headers['x-ratelimit-remaining-requests'], '59');
  assert.equal(headers['x-custom'], 'a, b');
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['content-length'], String(Buffer.byteLength(text)));
  assert.equal(headers['x-gateway-provider'], 'main');
  assert.notEqual(headers['x-request-id'], 'of-the-upstream');
  for (const name of [
    'set-cookie',
    'access-control-allow-origin',
    'access-control-expose-headers',
    'strict-transport-security',
    'alt-svc',
    'transfer-encoding',
    'x-hop',
    'server',
  ]) {
    assert.equal(headers[name], undefined, name);
  }
});

test('the gateway says what it did in headers', async (t) => {
  const { chatUrl, gateway } = await setUp(t);
  const response = await post(chatUrl, { ...chat, model: 'fast' });
  const [row] = await gateway.exchanges(1);
  assert.equal(response.headers.get('x-request-id'), row?.id);
  assert.equal(response.headers.get('x-gateway-provider'), 'main');
  assert.equal(response.headers.get('x-gateway-model'), 'test-model');
  assert.equal(response.headers.get('x-gateway-route'), 'fast');
  assert.equal(response.headers.get('x-gateway-attempts'), '1');
  // 10 tokens at 2.5 USD and 2 at 10 USD per million.
  assert.equal(response.headers.get('x-gateway-cost'), '0.000045');
  assert.equal(row?.cost_nano, 45_000);
  const metrics = (response.headers.get('server-timing') ?? '').split(', ');
  assert.deepEqual(
    metrics.map((metric) => metric.replace(/;dur=\d+\.\d{3}$/, '')),
    ['gateway', 'upstream', 'queue'],
  );
});

test('a model that is no route has no route header, and an unpriced answer no cost', async (t) => {
  const upstream = await startUpstream(t, json({ ...completion, usage: undefined }));
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  const response = await post(`${gateway.url}/v1/chat/completions`, chat);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('x-gateway-route'), null);
  assert.equal(response.headers.get('x-gateway-cost'), null);
});

test('a stream arrives byte for byte, uncompressed, uncached and unbuffered', async (t) => {
  const events =
    ': comment\r\n\r\ndata:{"choices":[{"index":0,"delta":{"content":"😀"}}]}\n\n' +
    'event: x\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
  const { chatUrl } = await setUp(t, (response) => {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'public, max-age=60',
      'openai-processing-ms': '3',
    });
    // One byte at a time: every event and every character is cut.
    for (const byte of Buffer.from(events)) response.write(Buffer.from([byte]));
    response.end();
  });
  const body = JSON.stringify({ ...chat, stream: true, stream_options: { include_usage: true } });
  const answer = await rawPost(chatUrl, body, { 'accept-encoding': 'gzip' }).response;
  assert.equal((await read(answer)).toString('utf8'), events);
  assert.equal(answer.headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.equal(answer.headers['cache-control'], 'no-cache, no-transform');
  assert.equal(answer.headers['x-accel-buffering'], 'no');
  assert.equal(answer.headers['openai-processing-ms'], '3');
  assert.equal(answer.headers['content-length'], undefined);
  assert.equal(answer.headers['content-encoding'], undefined);
  assert.equal(answer.headers['x-gateway-cost'], undefined);
  assert.equal(answer.headers['x-gateway-attempts'], '1');
  assert.match(
    String(answer.headers['server-timing']),
    /^gateway;dur=[\d.]+, upstream;dur=[\d.]+, queue;dur=0/,
  );
});

test('a client that speaks HTTP/1.0 is answered too', async (t) => {
  const { gateway } = await setUp(t, sse());
  const { hostname, port } = new URL(gateway.url);
  const body = JSON.stringify({ ...chat, stream: true });
  const socket = connect(Number(port), hostname);
  socket.write(
    `POST /ai/v1/chat/completions HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  const text = Buffer.concat(chunks).toString('utf8');
  assert.match(text, /^HTTP\/1\.1 200 OK/);
  assert.ok(text.endsWith('data: [DONE]\n\n'));
  assert.equal((await gateway.exchanges(1))[0]?.outcome, 'ok');
});
