import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import { chat, post, rawPost, readRows, startGateway } from '../helpers/gateway.js';
import {
  chatEvents,
  failing,
  json,
  refusingUrl,
  type Script,
  sse,
  sseThenHang,
  sseThenReset,
  startUpstream,
  withResolvers,
} from '../helpers/upstream.js';

/** A gateway before one scripted upstream, called `main`. */
async function setUp(context: TestContext, script: Script, options: Parameters<typeof startGateway>[1] = {}) {
  const upstream = await startUpstream(context, script);
  const gateway = await startGateway(context, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: 'upstream-secret' } },
    ...options,
  });
  return { upstream, gateway, chatUrl: `${gateway.url}/v1/chat/completions` };
}

function outcome(row: Record<string, unknown> | undefined) {
  return { status: row?.status, outcome: row?.outcome, end_reason: row?.end_reason };
}

test('a JSON answer leaves one ok record with its usage', async (t) => {
  const { gateway, chatUrl } = await setUp(t, json());
  const response = await post(chatUrl, chat);
  assert.equal(response.status, 200);
  const answer = (await response.json()) as { usage: unknown };
  assert.deepEqual(answer.usage, { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 });
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 200, outcome: 'ok', end_reason: 'complete' });
  assert.equal(row?.id, response.headers.get('x-request-id'));
  assert.deepEqual(
    [row?.provider, row?.model, row?.response_model],
    ['main', 'test-model', 'test-model-2026'],
  );
  assert.deepEqual(
    [row?.input_uncached_tokens, row?.output_text_tokens, row?.usage_source],
    [10, 2, 'reported'],
  );
  assert.equal(row?.finish_reason, 'stop');
  assert.ok(Number(row?.total_us) >= Number(row?.first_content_us));
  assert.ok(Number(row?.overhead_us) > 0 && Number(row?.overhead_us) < Number(row?.total_us));
});

test('a streamed answer leaves one ok record with its usage', async (t) => {
  const { gateway, chatUrl } = await setUp(t, sse());
  const response = await post(chatUrl, { ...chat, stream: true });
  const text = await response.text();
  assert.ok(text.endsWith('data: [DONE]\n\n'));
  assert.ok(!text.includes('"choices":[]'), 'the usage chunk nobody asked for is not sent on');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 200, outcome: 'ok', end_reason: 'complete' });
  assert.deepEqual([row?.input_uncached_tokens, row?.output_text_tokens, row?.streaming], [10, 2, 1]);
  assert.equal(row?.bytes_out, Buffer.byteLength(text));
  assert.equal(row?.chunks, chatEvents.length);
  assert.ok(Number(row?.commit_us) > 0 && Number(row?.last_byte_us) >= Number(row?.first_content_us));
});

test('an invalid body is rejected, and recorded', async (t) => {
  const { gateway, chatUrl, upstream } = await setUp(t, json());
  const response = await post(chatUrl, { model: 'main/test-model', messages: 'hello' });
  assert.equal(response.status, 400);
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  assert.equal(error.type, 'invalid_request_error');
  assert.equal(error.param, 'messages');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 400, outcome: 'rejected', end_reason: 'invalid_request' });
  assert.equal(upstream.seen.length, 0);
});

test('malformed JSON is rejected with 400, and recorded', async (t) => {
  const { gateway, chatUrl } = await setUp(t, json());
  const response = await post(chatUrl, '{"model": "main/test-model", ');
  assert.equal(response.status, 400);
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  assert.match(String(error.message), /not valid JSON/);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 400, outcome: 'rejected', end_reason: 'invalid_request' });
});

test('an unknown URL below the prefix is a recorded 404', async (t) => {
  const { gateway } = await setUp(t, json());
  const response = await fetch(`${gateway.url}/nowhere?secret=1`);
  assert.equal(response.status, 404);
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  assert.equal(error.code, 'not_found');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 404, outcome: 'rejected', end_reason: 'not_found' });
  assert.equal(row?.endpoint, '/nowhere');
});

test('a host hook that answers first leaves a record', async (t) => {
  const { gateway, chatUrl, upstream } = await setUp(t, json(), {
    host: (app) =>
      app.addHook('onRequest', async (_request, reply) => reply.code(401).send({ host: 'says no' })),
  });
  const response = await post(chatUrl, chat);
  assert.equal(response.status, 401);
  assert.deepEqual(await response.json(), { host: 'says no' });
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 401, outcome: 'rejected', end_reason: 'rejected_by_host' });
  assert.equal(upstream.seen.length, 0);
});

test('a client that leaves before the headers aborts the upstream', async (t) => {
  const reached = withResolvers();
  const closed = withResolvers();
  const { gateway, chatUrl } = await setUp(t, (response) => {
    response.on('close', closed.resolve);
    reached.resolve();
  });
  const { outgoing, response } = rawPost(chatUrl, JSON.stringify(chat));
  await reached.promise;
  outgoing.destroy();
  await assert.rejects(response);
  await closed.promise;
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: null, outcome: 'aborted', end_reason: 'client_gone' });
  assert.deepEqual(
    gateway.attempts().map((attempt) => attempt.reason),
    ['client_gone'],
  );
});

test('a client that leaves in mid-stream aborts the upstream, and what was seen is recorded', async (t) => {
  const closed = withResolvers();
  const { gateway, chatUrl } = await setUp(t, (response, seen, request) => {
    response.on('close', closed.resolve);
    sseThenHang(chatEvents.slice(0, 2))(response, seen, request);
  });
  const { outgoing, response } = rawPost(chatUrl, JSON.stringify({ ...chat, stream: true }));
  await once(await response, 'data');
  outgoing.destroy();
  await closed.promise;
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 200, outcome: 'aborted', end_reason: 'client_gone' });
  assert.equal(row?.chunks, 2);
  assert.equal(row?.usage_source, 'estimated');
});

test('a client that closes after the terminator got its answer', async (t) => {
  const { gateway, chatUrl } = await setUp(t, sseThenHang(chatEvents));
  const { outgoing, response } = rawPost(chatUrl, JSON.stringify({ ...chat, stream: true }));
  const incoming = await response;
  let text = '';
  for await (const piece of incoming) {
    text += piece;
    if (text.includes('[DONE]')) break;
  }
  outgoing.destroy();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 200, outcome: 'ok', end_reason: 'complete' });
});

test('a client that leaves during its upload is aborted, not rejected', async (t) => {
  const { gateway, chatUrl, upstream } = await setUp(t, json());
  const outgoing = httpRequest(chatUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': 10_000 },
  });
  outgoing.on('error', () => {});
  outgoing.write('{"model":');
  // The exchange is open once the head was read.
  await openExchanges(gateway.url, 1);
  outgoing.destroy();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: null, outcome: 'aborted', end_reason: 'client_gone' });
  assert.equal(upstream.seen.length, 0);
});

test('an upstream that refuses the connection is a 502', async (t) => {
  const baseUrl = await refusingUrl();
  const gateway = await startGateway(t, { providers: { main: { type: 'openai-compatible', baseUrl } } });
  const response = await post(`${gateway.url}/v1/chat/completions`, chat);
  assert.equal(response.status, 502);
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  assert.equal(error.code, 'upstream_error');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 502, outcome: 'failed', end_reason: 'upstream_unreachable' });
  assert.equal(row?.provider, 'main');
});

test('an upstream that dies before its headers is a 502', async (t) => {
  const { gateway, chatUrl } = await setUp(t, (_response, _seen, request) =>
    request.socket.resetAndDestroy(),
  );
  const response = await post(chatUrl, chat);
  assert.equal(response.status, 502);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 502, outcome: 'failed', end_reason: 'upstream_reset' });
});

test('an upstream that dies in mid-stream truncates the answer, and the client is told', async (t) => {
  const { gateway, chatUrl } = await setUp(t, sseThenReset(chatEvents.slice(0, 3)));
  const response = await post(chatUrl, { ...chat, stream: true });
  assert.equal(response.status, 200);
  const text = await response.text();
  assert.ok(!text.includes('[DONE]'));
  const last = text.trimEnd().split('\n\n').at(-1) ?? '';
  assert.equal(JSON.parse(last.slice('data: '.length)).error.code, 'upstream_error');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 200, outcome: 'truncated', end_reason: 'upstream_reset' });
  assert.equal(row?.chunks, 3);
});

test('an upstream that answers 500 passes on its own words', async (t) => {
  const { gateway, chatUrl } = await setUp(t, failing(500, 'the model melted'));
  const response = await post(chatUrl, chat);
  assert.equal(response.status, 500);
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  assert.equal(error.message, 'the model melted');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 500, outcome: 'failed', end_reason: 'upstream_error' });
  assert.equal(row?.upstream_status, 500);
  assert.equal(row?.error_message, 'the model melted');
});

test('an error event after content reaches the client without the credential it repeats', async (t) => {
  const error = 'data: {"error":{"message":"bad key upstream-secret","code":"oops"}}\n\n';
  const { gateway, chatUrl } = await setUp(t, sse([...chatEvents.slice(0, 2), error]));
  const response = await post(chatUrl, { ...chat, stream: true });
  const text = await response.text();
  assert.match(text, /"message":"bad key \*\*\*"/);
  assert.ok(!text.includes('upstream-secret') && !text.includes('[DONE]'));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 200, outcome: 'truncated', end_reason: 'upstream_error' });
  assert.equal(row?.error_message, 'bad key ***');
});

test('inject leaves a record as a socket does', async (t) => {
  const { gateway } = await setUp(t, json());
  const response = await gateway.app.inject({
    method: 'POST',
    url: '/ai/v1/chat/completions',
    payload: chat,
  });
  assert.equal(response.statusCode, 200);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 200, outcome: 'ok', end_reason: 'complete' });
});

test('inject of a stream leaves a record as a socket does', async (t) => {
  const { gateway } = await setUp(t, sse());
  const payload = { ...chat, stream: true };
  const response = await gateway.app.inject({ method: 'POST', url: '/ai/v1/chat/completions', payload });
  assert.ok(response.body.endsWith('data: [DONE]\n\n'));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), { status: 200, outcome: 'ok', end_reason: 'complete' });
});

test('a route of the host outside the prefix leaves no record', async (t) => {
  const { gateway, chatUrl } = await setUp(t, json(), {
    host: (app) => app.get('/own', async () => ({ host: true })),
  });
  const own = await fetch(new URL('/own', gateway.url));
  assert.deepEqual(await own.json(), { host: true });
  assert.equal((await fetch(new URL('/unknown', gateway.url))).status, 404);
  await post(chatUrl, chat);
  const [row] = await gateway.exchanges(1);
  assert.equal(row?.endpoint, '/v1/chat/completions');
});

test('a shutdown lets a live stream finish', async (t) => {
  const more = withResolvers();
  const { gateway, chatUrl } = await setUp(t, async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chatEvents.slice(0, 2).join(''));
    await more.promise;
    response.end(chatEvents.slice(2).join(''));
  });
  const incoming = await rawPost(chatUrl, JSON.stringify({ ...chat, stream: true })).response;
  const [first] = await once(incoming, 'data');
  const closing = gateway.app.close();
  more.resolve();
  let text = String(first);
  for await (const piece of incoming) text += piece;
  assert.ok(text.endsWith('data: [DONE]\n\n'));
  await closing;
  assert.deepEqual(readRows(gateway.database, 'SELECT * FROM exchanges').map(outcome), [
    { status: 200, outcome: 'ok', end_reason: 'complete' },
  ]);
});

test('a stream that outlives the drain deadline is truncated, told and recorded', async (t) => {
  const { gateway, chatUrl } = await setUp(t, sseThenHang(chatEvents.slice(0, 2)), { drainTimeout: 50 });
  const incoming = await rawPost(chatUrl, JSON.stringify({ ...chat, stream: true })).response;
  const [first] = await once(incoming, 'data');
  const closing = gateway.app.close();
  let text = String(first);
  for await (const piece of incoming) text += piece;
  assert.match(text, /"code":"shutting_down"/);
  assert.ok(!text.includes('[DONE]'));
  await closing;
  assert.deepEqual(readRows(gateway.database, 'SELECT * FROM exchanges').map(outcome), [
    { status: 200, outcome: 'truncated', end_reason: 'shutdown' },
  ]);
});

/** Waits until `/health` counts so many exchanges in flight. */
async function openExchanges(url: string, count: number): Promise<void> {
  for (;;) {
    const health = (await (await fetch(`${url}/health`)).json()) as { in_flight: number };
    if (health.in_flight === count) return;
  }
}
