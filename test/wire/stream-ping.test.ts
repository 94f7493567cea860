import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import OpenAI, { APIError } from 'openai';
import { chat, errorOf, post, rawPost, startGateway } from '../helpers/gateway.js';
import {
  chatEvents,
  failing,
  json,
  type Script,
  sse,
  startUpstream,
  withResolvers,
} from '../helpers/upstream.js';

const streamed = { ...chat, model: 'both', stream: true };
const PING = ': ping\n\n';

async function setUp(t: TestContext, script: Script, next: Script = sse()) {
  const upstream = await startUpstream(t, script);
  const spare = await startUpstream(t, next);
  const gateway = await startGateway(t, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url },
      spare: { type: 'openai-compatible', baseUrl: spare.url },
    },
    routes: { both: { targets: ['main/one', 'spare/two'] } },
    streamPing: '20ms',
  });
  return { upstream, gateway, url: `${gateway.url}/v1/chat/completions` };
}

/** Reads until the text holds what is awaited. */
async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, awaited: string): Promise<string> {
  let text = '';
  while (!text.includes(awaited)) {
    const { value, done } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  return text;
}

test('while nothing comes the client gets comments, and another target can still answer', async (t) => {
  const release = withResolvers();
  const { gateway, url } = await setUp(t, async (response) => {
    await release.promise;
    failing(500, 'down')(response, { method: '', url: '', headers: {}, body: Buffer.alloc(0) }, response.req);
  });
  const response = await post(url, streamed);
  assert.deepEqual(
    [response.status, response.headers.get('content-type')],
    [200, 'text/event-stream; charset=utf-8'],
  );
  assert.ok(response.body);
  const reader = response.body.getReader();
  const first = await readUntil(reader, PING + PING);
  release.resolve();
  const rest = await readUntil(reader, '[DONE]');
  const events = (first + rest).replaceAll(PING, '');
  assert.equal(events, chatEvents.filter((event) => !event.includes('"usage"')).join(''));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.provider, row?.attempts, row?.status], ['ok', 'spare', 2, 200]);
  assert.equal(row?.bytes_out, (first + rest).length);
});

test('gaps within the answer are filled too', async (t) => {
  const release = withResolvers();
  const { url } = await setUp(t, async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chatEvents.slice(0, 2).join(''));
    await release.promise;
    response.end(chatEvents.slice(2).join(''));
  });
  const response = await post(url, streamed);
  assert.ok(response.body);
  const reader = response.body.getReader();
  assert.match(await readUntil(reader, PING), /Hello.*: ping/s);
  release.resolve();
  assert.match(await readUntil(reader, '[DONE]'), /there.*\[DONE\]/s);
});

test('an error after a comment is an event, which the openai client throws', async (t) => {
  const late: Script = (response, seen, request) =>
    setTimeout(() => failing(503, 'overloaded')(response, seen, request), 60);
  const { gateway } = await setUp(t, late, late);
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const stream = await client.chat.completions.create({
    model: 'both',
    messages: [{ role: 'user', content: 'Hi' }],
    stream: true,
  });
  await assert.rejects(
    async () => {
      for await (const _ of stream) assert.fail('there is no content');
    },
    (error: unknown) => error instanceof APIError && error.message.includes('overloaded'),
  );
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(
    [row?.outcome, row?.end_reason, row?.status, row?.upstream_status],
    ['failed', 'upstream_error', 200, 503],
  );
});

test('an error that comes in time keeps its status, and a JSON answer gets no comments', async (t) => {
  const { upstream, gateway, url } = await setUp(t, failing(400, 'bad'));
  const refused = await post(url, streamed);
  assert.deepEqual([refused.status, (await errorOf(refused)).message], [400, 'bad']);
  upstream.script((response, seen, request) => setTimeout(() => json()(response, seen, request), 50));
  const whole = await post(url, { ...chat, model: 'both' });
  assert.equal(JSON.parse(await whole.text()).object, 'chat.completion');
  await gateway.exchanges(2);
});

test('a client that leaves while it gets comments ends the upstream call', async (t) => {
  const { upstream, gateway, url } = await setUp(t, () => {});
  const { outgoing, response } = rawPost(url, JSON.stringify(streamed));
  await once(await response, 'data');
  outgoing.destroy();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['aborted', 'client_gone']);
  while (upstream.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
});
