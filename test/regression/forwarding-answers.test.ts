import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { chat, errorOf, post, rawPost, type Setup, startGateway } from '../helpers/gateway.js';
import {
  completion,
  failing,
  json,
  type Script,
  sse,
  startUpstream,
  withResolvers,
} from '../helpers/upstream.js';

async function setUp(context: TestContext, script: Script, more: Partial<Setup> = {}) {
  const upstream = await startUpstream(context, script);
  const gateway = await startGateway(context, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    passthroughProvider: 'main',
    ...more,
  });
  return { upstream, gateway };
}

/** The URL of a server that answers every request with these bytes. */
async function startRaw(t: TestContext, answer: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.end(answer, 'latin1'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

async function ask(url: string, method: string) {
  const outgoing = httpRequest(url, { method });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  for await (const piece of response) text += piece;
  return { status: response.statusCode, headers: response.headers, text };
}

test('a download that breaks off while a hook of the host is busy does not end the process', async (t) => {
  const broken = withResolvers();
  const { gateway } = await setUp(
    t,
    (response, _seen, request) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': 5000 });
      response.write(Buffer.alloc(1000), () => setTimeout(() => request.socket.resetAndDestroy(), 30));
      request.socket.on('close', () => setTimeout(broken.resolve, 30));
    },
    {
      host: (app) =>
        app.addHook('onSend', async ({ url }, reply, payload) => {
          if (url.includes('/files/') && reply.statusCode === 200) await broken.promise;
          return payload;
        }),
    },
  );
  const response = await fetch(`${gateway.url}/v1/files/1/content`);
  assert.equal(response.status, 502);
  assert.equal((await errorOf(response)).code, 'upstream_error');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.end_reason], [502, 'upstream_reset']);
});

test('a status that no HTTP answer has is a 502 for what is passed through as well', async (t) => {
  const { gateway } = await setUp(t, failing(700, 'what is this?'));
  const response = await fetch(`${gateway.url}/v1/files`);
  assert.equal(response.status, 502);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(
    [row?.outcome, row?.end_reason, row?.upstream_status],
    ['failed', 'upstream_invalid', 700],
  );
});

test('an answer without a body may name the encoding that its body would have', async (t) => {
  const { gateway } = await setUp(t, (response) =>
    response
      .writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip', 'content-length': 500 })
      .end(),
  );
  const { status } = await ask(`${gateway.url}/v1/files/1/content`, 'HEAD');
  assert.equal(status, 200);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.bytes_out], ['ok', 0]);
});

test('the length that a HEAD answer names is no byte that was sent', async (t) => {
  const { gateway } = await setUp(t, (response) =>
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 500 }).end(),
  );
  const { status, headers } = await ask(`${gateway.url}/v1/files/1/content`, 'HEAD');
  assert.deepEqual([status, headers['content-length']], [200, '500']);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.bytes_out], ['ok', 0]);
});

for (const status of [204, 304]) {
  test(`a ${status} passes, even with the headers of a body`, async (t) => {
    const raw = `HTTP/1.1 ${status} X\r\netag: "a"\r\ncontent-encoding: gzip\r\ncontent-type: text/plain\r\ncontent-length: 500\r\n\r\n`;
    const gateway = await startGateway(t, {
      providers: { main: { type: 'openai-compatible', baseUrl: await startRaw(t, raw) } },
      passthroughProvider: 'main',
    });
    const answer = await ask(`${gateway.url}/v1/files/1`, 'GET');
    assert.deepEqual([answer.status, answer.text, answer.headers.etag], [status, '', '"a"']);
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.outcome, row?.status], ['ok', status]);
  });
}

test('an answer that comes compressed although it was not asked for is read', async (t) => {
  const { gateway } = await setUp(t, (response) =>
    response
      .writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' })
      .end(gzipSync('some text')),
  );
  assert.equal((await ask(`${gateway.url}/v1/files/1`, 'GET')).text, 'some text');
});

test('headers with the names of built-in properties do no harm', async (t) => {
  const raw = `HTTP/1.1 200 OK\r\n__proto__: x\r\nconstructor: y\r\ntoString: z\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: await startRaw(t, raw) } },
    passthroughProvider: 'main',
  });
  const answer = await ask(`${gateway.url}/v1/files/1`, 'GET');
  assert.ok(answer.status === 200 || answer.status === 502, String(answer.status));
  const [row] = await gateway.exchanges(1);
  assert.equal(row?.status, answer.status);
});

test('early hints and other provisional answers are not the answer', async (t) => {
  const raw = `HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: await startRaw(t, raw) } },
    passthroughProvider: 'main',
  });
  const answer = await ask(`${gateway.url}/v1/files/1`, 'GET');
  assert.deepEqual([answer.status, answer.text, answer.headers.link], [200, '{}', undefined]);
});

test('an upgrade that nobody asked for is a 502', async (t) => {
  const raw = `HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello`;
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: await startRaw(t, raw) } },
    passthroughProvider: 'main',
  });
  assert.equal((await ask(`${gateway.url}/v1/files/1`, 'GET')).status, 502);
});

test('headers that come twice do not break the answer', async (t) => {
  const raw = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-type: application/json\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 2\r\n\r\n{}`;
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: await startRaw(t, raw) } },
    passthroughProvider: 'main',
  });
  const answer = await ask(`${gateway.url}/v1/files/1`, 'GET');
  assert.deepEqual([answer.status, answer.text, answer.headers['x-a']], [200, '{}', '1, 2']);
});

test('the upstream status of a failure is not that of a target that was passed over after it', async (t) => {
  const first = await startUpstream(t, sse(['data: {"error":{"message":"busy","code":503}}\n\n']));
  const second = await startUpstream(t, failing(401, 'no'));
  const gateway = await startGateway(t, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: first.url },
      second: { type: 'openai-compatible', baseUrl: second.url },
    },
    routes: { both: { targets: ['main/m', 'second/m'] } },
  });
  const url = `${gateway.url}/v1/chat/completions`;
  await (await post(url, { ...chat, model: 'second/m' })).text();
  const response = await post(url, { ...chat, model: 'both', stream: true });
  assert.equal(response.status, 503);
  await response.text();
  const rows = await gateway.exchanges(2);
  assert.deepEqual(
    gateway.attempts().map(({ decision, status }) => [decision, status]),
    [
      ['sent', 401],
      ['sent', 200],
      ['skipped', null],
    ],
  );
  assert.equal(rows[1]?.upstream_status, 200);
});

test('of a large answer that its client did not take, only what left is counted', async (t) => {
  const large = { ...completion, pad: 'x'.repeat(32 * 1024 * 1024) };
  const { gateway } = await setUp(t, json(large));
  const { outgoing, response } = rawPost(`${gateway.url}/v1/chat/completions`, JSON.stringify(chat));
  outgoing.on('error', () => {});
  const answer = await response;
  await once(answer, 'data');
  answer.on('error', () => {});
  outgoing.destroy();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome], [200, 'aborted']);
  assert.ok(Number(row?.bytes_out) < 30 * 1024 * 1024, `${row?.bytes_out} bytes`);
});

test('a large answer is the same through inject and over HTTP, and its bytes are counted', async (t) => {
  const large = { ...completion, pad: 'x'.repeat(300_000) };
  const { gateway } = await setUp(t, json(large));
  const text = JSON.stringify(large);
  const injected = await gateway.app.inject({
    method: 'POST',
    url: '/ai/v1/chat/completions',
    payload: chat,
  });
  assert.deepEqual([injected.body === text, injected.headers['content-length']], [true, String(text.length)]);
  const response = await post(`${gateway.url}/v1/chat/completions`, chat);
  assert.equal((await response.text()) === text, true);
  const rows = await gateway.exchanges(2);
  assert.deepEqual(
    rows.map((row) => [row.outcome, row.bytes_out]),
    [
      ['ok', text.length],
      ['ok', text.length],
    ],
  );
});
