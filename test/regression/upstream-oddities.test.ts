import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { chat, post, startGateway } from '../helpers/gateway.js';
import {
  chatEvents,
  completion,
  failing,
  json,
  type Script,
  sse,
  startUpstream,
} from '../helpers/upstream.js';

/** A gateway with the route `both`: first the upstream with this script, then one that answers. */
async function setUp(context: TestContext, script: Script) {
  const first = await startUpstream(context, script);
  const second = await startUpstream(context, json());
  const gateway = await startGateway(context, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: first.url },
      second: { type: 'openai-compatible', baseUrl: second.url },
    },
    routes: { both: { targets: ['main/test-model', 'second/test-model'] } },
  });
  return { first, second, gateway, chatUrl: `${gateway.url}/v1/chat/completions` };
}

/** Reasons of all attempts. */
const reasons = (gateway: { attempts(): Record<string, unknown>[] }) =>
  gateway.attempts().map(({ reason }) => reason);

test('an answer in an encoding nobody can read goes to the next target, and nothing is thrown at the process', async (t) => {
  const { gateway, chatUrl } = await setUp(t, json(completion, 200, { 'content-encoding': 'zstd' }));
  const response = await post(chatUrl, { ...chat, model: 'both' });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('x-gateway-provider'), 'second');
  await gateway.exchanges(1);
  assert.deepEqual(reasons(gateway), ['upstream_invalid', 'answered']);
});

test('a redirect of an upstream is no answer, even with a JSON body', async (t) => {
  const { gateway, chatUrl } = await setUp(
    t,
    json({ moved: true }, 302, { location: 'http://inside.invalid/' }),
  );
  const response = await post(chatUrl, { ...chat, model: 'both' });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('x-gateway-provider'), 'second');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.provider], ['ok', 'second']);
  assert.deepEqual(reasons(gateway), ['upstream_invalid', 'answered']);
});

test('a status that no HTTP answer has goes to the next target', async (t) => {
  const { gateway, chatUrl } = await setUp(t, failing(600, 'what is this?'));
  const response = await post(chatUrl, { ...chat, model: 'both' });
  assert.equal(response.status, 200);
  await gateway.exchanges(1);
  assert.deepEqual(reasons(gateway), ['upstream_invalid', 'answered']);
});

test('a refusal that repeats a large request is passed on, not taken for a broken connection', async (t) => {
  const error = { error: { message: 'invalid', input: 'x'.repeat(3 * 1024 * 1024) } };
  const { second, gateway, chatUrl } = await setUp(t, json(error, 422));
  const response = await post(chatUrl, { ...chat, model: 'both' });
  assert.equal(response.status, 422);
  assert.deepEqual(await response.json(), error);
  assert.equal(second.seen.length, 0);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason, row?.upstream_status], ['failed', 'upstream_error', 422]);
});

test('a JSON answer without a content-type reaches the client as JSON', async (t) => {
  const { chatUrl } = await setUp(t, (response) => response.end(JSON.stringify(completion)));
  const response = await post(chatUrl, chat);
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
});

test('an answer that is not HTTP is called invalid, not reset', async (t) => {
  const { gateway, chatUrl } = await setUp(t, (_response, _seen, request) =>
    request.socket.end('SSH-2.0-x\r\n'),
  );
  const response = await post(chatUrl, chat);
  assert.equal(response.status, 502);
  const [row] = await gateway.exchanges(1);
  assert.equal(row?.end_reason, 'upstream_invalid');
});

for (const [what, bytes, told] of [
  ['100 Continue', 'HTTP/1.1 100 Continue\r\n\r\n', /100 Continue/],
  [
    '101 Switching Protocols',
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n',
    /another protocol/,
  ],
] as const) {
  test(`a ${what} that nobody asked for is an invalid answer, said so in the record, and goes to the next target`, async (t) => {
    const script: Script = (response, _seen, request) => {
      request.socket.write(bytes);
      json()(response, _seen, request);
    };
    const { gateway, chatUrl } = await setUp(t, script);
    const response = await post(chatUrl, { ...chat, model: 'both' });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-gateway-provider'), 'second');
    assert.equal((await post(chatUrl, chat)).status, 502);
    const [, alone] = await gateway.exchanges(2);
    assert.equal(alone?.end_reason, 'upstream_invalid');
    assert.deepEqual(reasons(gateway), ['upstream_invalid', 'answered', 'upstream_invalid']);
    assert.match(String(gateway.attempts()[0]?.error), told);
  });
}

test('a 102 and a 103 before the answer are passed over', async (t) => {
  const { gateway, chatUrl } = await setUp(t, (response, _seen, request) => {
    request.socket.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n');
    json()(response, _seen, request);
  });
  const response = await post(chatUrl, { ...chat, model: 'both' });
  assert.deepEqual([response.status, await response.json()], [200, completion]);
  await gateway.exchanges(1);
  assert.deepEqual(reasons(gateway), ['answered']);
});

test('the bytes of an error are counted although a stream failed before it', async (t) => {
  const { gateway, chatUrl } = await setUp(t, sse([]));
  const response = await post(chatUrl, { ...chat, stream: true });
  const text = await response.text();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.bytes_out], [502, Buffer.byteLength(text)]);
});

test("a caller's own mistake in stream_options does not cost the others their usage", async (t) => {
  const { first, gateway, chatUrl } = await setUp(t, failing(400, 'stream_options must be an object'));
  const mistake = await post(chatUrl, { ...chat, stream: true, stream_options: 5 });
  assert.equal(mistake.status, 400);
  first.script(sse(chatEvents));
  await (await post(chatUrl, { ...chat, stream: true })).text();
  assert.match(String(first.seen.at(-1)?.body), /"include_usage":true/);
  const rows = await gateway.exchanges(2);
  assert.equal(rows[1]?.usage_source, 'reported');
});

test('no second model hides in a body whose model needs no change', async (t) => {
  const upstream = await startUpstream(t, json());
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    routes: { small: { targets: ['main/small'] } },
  });
  const body = '{"model":"large", "messages":[{"role":"user","content":"Hi"}], "model":"small"}';
  await (await post(`${gateway.url}/v1/chat/completions`, body)).text();
  assert.equal(String(upstream.seen[0]?.body), body.replace('large', 'small'));
});
