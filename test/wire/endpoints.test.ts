import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { errorOf, post, type Row, startGateway } from '../helpers/gateway.js';
import { failing, json, type Script, sse, startUpstream } from '../helpers/upstream.js';

async function setUp(t: TestContext, script: Script, options: object = {}) {
  const upstream = await startUpstream(t, script);
  const spare = await startUpstream(t, json({ object: 'spare' }));
  const gateway = await startGateway(t, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url, breaker: false },
      spare: { type: 'openai-compatible', baseUrl: spare.url },
    },
    routes: { both: { targets: ['main/one', 'spare/two'] } },
    ...options,
  });
  const ask = (path: string, body: object, headers: Record<string, string> = {}) =>
    post(`${gateway.url}/v1${path}`, body, headers);
  return { upstream, spare, gateway, ask };
}

const outcome = (row: Row | undefined) => [row?.endpoint, row?.outcome, row?.model, row?.usage_source];
const requests: [path: string, body: object][] = [
  ['/completions', { prompt: 'Once' }],
  ['/embeddings', { input: ['a'] }],
  ['/responses', { input: 'Hi' }],
  ['/moderations', { input: 'Hi' }],
  ['/images/generations', { prompt: 'A cat' }],
  ['/images/edits', { prompt: 'A cat', images: [{ file_id: 'file-1' }] }],
];

test('each JSON endpoint is routed by its model, fails over, and passes the answer on as it is', async (t) => {
  const { upstream, spare, gateway, ask } = await setUp(t, failing(500, 'down'));
  for (const [index, [path, body]] of requests.entries()) {
    const response = await ask(`${path}?v=1`, { model: 'both', ...body, extra: null });
    assert.deepEqual([response.status, await response.json()], [200, { object: 'spare' }], path);
    assert.equal(response.headers.get('x-gateway-model'), 'two');
    assert.deepEqual(JSON.parse(String(upstream.seen[index]?.body)), { model: 'one', ...body, extra: null });
    assert.equal(spare.seen[index]?.url, `/v1${path}?v=1`);
  }
  const rows = await gateway.exchanges(requests.length);
  assert.deepEqual(
    rows.map((row) => [row.endpoint, row.outcome, row.attempts]),
    requests.map(([path]) => [`/v1${path}`, 'ok', 2]),
  );
});

test('speech is bytes, and leaves as it comes', async (t) => {
  const audio = Buffer.from([0, 255, 13, 10, 13, 10, 128]);
  const { gateway, ask } = await setUp(t, (response) => {
    response.writeHead(200, { 'content-type': 'audio/mpeg' });
    response.write(audio.subarray(0, 3));
    response.end(audio.subarray(3));
  });
  const response = await ask('/audio/speech', { model: 'both', input: 'Hi', voice: 'alloy' });
  assert.equal(response.headers.get('content-type'), 'audio/mpeg');
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), audio);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), ['/v1/audio/speech', 'ok', 'one', 'none']);
  assert.deepEqual([row?.bytes_out, row?.streaming], [7, 0]);
});

test('speech that is JSON or a page is no speech, and another target is asked', async (t) => {
  const { upstream, gateway, ask } = await setUp(t, json({ status: 'queued' }));
  const request = { model: 'both', input: 'Hi', voice: 'alloy' };
  assert.equal((await ask('/audio/speech', request)).status, 502, 'the spare one answers JSON too');
  upstream.script((response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'));
  assert.equal((await ask('/audio/speech', request)).status, 502);
  upstream.script(json({ error: { message: 'No such voice', status: 400 } }));
  const refused = await ask('/audio/speech', request);
  assert.deepEqual([refused.status, (await errorOf(refused)).message], [400, 'No such voice']);
  await gateway.exchanges(3);
  assert.deepEqual(
    gateway.attempts().map(({ reason }) => reason),
    [...Array(4).fill('upstream_invalid'), 'http_400'],
  );
});

test('speech as events is a stream', async (t) => {
  const events = [
    'data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n',
    'data: {"type":"speech.audio.done","usage":{"input_tokens":3,"output_tokens":5,"total_tokens":8}}\n\n',
  ];
  const { gateway, ask } = await setUp(t, sse(events));
  const response = await ask('/audio/speech', { model: 'both', input: 'Hi', stream_format: 'sse' });
  assert.equal(await response.text(), events.join(''));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), ['/v1/audio/speech', 'ok', 'one', 'reported']);
});

test('where OpenAI has a default model, a request without one goes to the provider for all the rest', async (t) => {
  const { upstream, gateway, ask } = await setUp(t, json({ results: [] }), { passthroughProvider: 'main' });
  assert.equal((await ask('/moderations', { input: 'Hi' })).status, 200);
  assert.equal(String(upstream.seen[0]?.body), '{"input":"Hi"}');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(outcome(row), ['/v1/moderations', 'ok', null, 'none']);
});

test('without such a provider the model is required, as it is for every chat', async (t) => {
  const { ask } = await setUp(t, json());
  for (const [path, body] of [...requests, ['/chat/completions', { messages: [{}] }] as const]) {
    const response = await ask(path, body);
    const error = await errorOf(response);
    assert.deepEqual([response.status, error.param], [400, 'model'], path);
  }
});

test('a caller can keep a request at one provider', async (t) => {
  const { upstream, spare, ask } = await setUp(t, json());
  const at = (name: string) => ({ 'x-gateway-provider': name });
  assert.equal((await ask('/responses', { model: 'both', input: 'Hi' }, at('spare'))).status, 200);
  assert.deepEqual([upstream.seen.length, spare.seen.length], [0, 1]);
  assert.equal(JSON.parse(String(spare.seen[0]?.body)).model, 'two', 'the route’s own target there');
  assert.equal((await ask('/responses', { model: 'any', input: 'Hi' }, at('spare'))).status, 200);
  assert.equal(JSON.parse(String(spare.seen[1]?.body)).model, 'any', 'or any model of that provider');
  const unknown = await ask('/responses', { model: 'both', input: 'Hi' }, at('nobody'));
  assert.deepEqual([unknown.status, (await errorOf(unknown)).param], [400, 'x-gateway-provider']);
});

test('an answer in the other form than was asked for is not passed on', async (t) => {
  const { upstream, gateway, ask } = await setUp(t, sse());
  const whole = await ask('/chat/completions', {
    model: 'both',
    messages: [{ role: 'user', content: 'Hi' }],
  });
  assert.deepEqual(await whole.json(), { object: 'spare' });
  upstream.script(json());
  const single = { model: 'main/one', messages: [{ role: 'user', content: 'Hi' }], stream: true };
  const stream = await ask('/chat/completions', single);
  assert.deepEqual([stream.status, (await errorOf(stream)).code], [502, 'upstream_error']);
  await gateway.exchanges(2);
  assert.deepEqual(
    gateway.attempts().map(({ reason }) => reason),
    ['upstream_invalid', 'answered', 'upstream_invalid'],
  );
});
