import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type Api, chatApi, responsesApi } from '../helpers/apis.js';
import { rawPost, type Setup, startGateway } from '../helpers/gateway.js';
import { json, type Script, startUpstream, withResolvers } from '../helpers/upstream.js';

const MB = 1024 * 1024;
/** More than what sockets and streams on the way hold, so that a client that stops is felt at the other end. */
const ANSWER = 24 * MB;
/** What they hold at most. */
const BOUND = 16 * MB;
const EVENTS = ANSWER / (16 * 1024);

/** A stream of `ANSWER` bytes, written no faster than it is taken, and what has become of it. */
function flood(api: Api) {
  const event = api.delta('x'.repeat(16 * 1024));
  const state = { written: 0 };
  const closed = withResolvers();
  const script: Script = async (response) => {
    response.on('close', closed.resolve);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(api.announcement.join(''));
    for (let index = 0; index < EVENTS && !response.destroyed; index++) {
      state.written += event.length;
      if (!response.write(event)) await Promise.race([once(response, 'drain'), closed.promise]);
    }
    response.end(api.closing.join(''));
  };
  const expected = [...api.announcement, ...api.delivered].join('').length + EVENTS * event.length;
  return { script, state, closed: closed.promise, expected };
}

type Timeouts = NonNullable<Setup['providers']>[string]['timeouts'];

async function setUp(context: TestContext, api: Api, script: Script, options: Setup, timeouts?: Timeouts) {
  const upstream = await startUpstream(context, script);
  const gateway = await startGateway(context, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url, ...(timeouts && { timeouts }) },
    },
    ...options,
  });
  const ask = (more: object) =>
    rawPost(`${gateway.url}/v1${api.path}`, JSON.stringify({ ...api.request, model: 'main/m', ...more }))
      .response;
  return { gateway, ask };
}

/** Reads to the end, and takes a rest after every so many bytes. Gives the count of bytes. */
async function read(answer: IncomingMessage, pace?: { every: number; restMs: number }): Promise<number> {
  let bytes = 0;
  let rested = 0;
  for await (const part of answer) {
    bytes += part.length;
    if (pace === undefined || bytes - rested < pace.every) continue;
    rested = bytes;
    await wait(pace.restMs);
  }
  return bytes;
}

for (const api of [chatApi, responsesApi]) {
  test(`${api.name}: a client that reads slowly gets every byte, and no upstream timer rings meanwhile`, async (t) => {
    const { script, state, expected } = flood(api);
    const timeouts = { idle: 500, firstByte: 500 };
    const { gateway, ask } = await setUp(t, api, script, {}, timeouts);
    const answer = await ask({ stream: true });
    // Longer than the timeouts.
    await wait(800);
    const ahead = state.written;
    const bytes = await read(answer);
    assert.equal(bytes, expected);
    assert.ok(ahead > 0 && ahead < BOUND, `${ahead} bytes were read ahead`);
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.outcome, row?.end_reason, row?.bytes_out], ['ok', 'complete', expected]);
  });

  test(`${api.name}: a client that takes nothing of a stream for the client timeout is let go`, async (t) => {
    const { script, state, closed } = flood(api);
    const { gateway, ask } = await setUp(t, api, script, { clientTimeout: '200ms' });
    const answer = await ask({ stream: true });
    answer.on('error', () => {});
    await closed;
    assert.ok(state.written < BOUND, 'the upstream was not read to its end');
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [200, 'aborted', 'client_timeout']);
    assert.equal(row?.upstream_status, 200);
    assert.ok(Number(row?.total_us) >= 199_000);
    await assert.rejects(read(answer), 'no client takes it for a whole answer');
  });
}

test('a client that takes nothing of a large JSON answer is let go', async (t) => {
  const large = chatApi.answerWith('x'.repeat(ANSWER));
  const { gateway, ask } = await setUp(t, chatApi, json(large), { clientTimeout: '200ms' });
  const answer = await ask({});
  answer.on('error', () => {});
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [200, 'aborted', 'client_timeout']);
  assert.equal(row?.output_text_tokens, 2, 'it was used all the same');
  await assert.rejects(read(answer), 'no client takes it for a whole answer');
});

for (const [what, more, script] of [
  ['a stream', { stream: true }, flood(chatApi).script],
  ['a large JSON answer', {}, json(chatApi.answerWith('x'.repeat(ANSWER)))],
] satisfies [string, object, Script][]) {
  test(`a client that takes ${what} slowly but steadily is not let go`, async (t) => {
    const { gateway, ask } = await setUp(t, chatApi, script, { clientTimeout: '500ms' });
    const answer = await ask(more);
    // 12 rests, each far shorter than the client timeout, and in all much longer.
    const bytes = await read(answer, { every: 2 * MB, restMs: 150 });
    assert.ok(bytes > ANSWER);
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.outcome, row?.end_reason, row?.bytes_out], ['ok', 'complete', bytes]);
    assert.ok(Number(row?.total_us) > 750_000);
  });
}

test('a client that has taken all there is may wait for more as long as the upstream needs', async (t) => {
  const { announcement, content, closing, delivered } = chatApi;
  const script: Script = async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write([...announcement, ...content].join(''));
    await wait(400);
    response.end(closing.join(''));
  };
  const { gateway, ask } = await setUp(t, chatApi, script, { clientTimeout: '100ms' });
  const answer = await ask({ stream: true });
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part;
  assert.equal(text, [...announcement, ...content, ...delivered].join(''));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['ok', 'complete']);
});

test('a client is let go during a slow answer only, not between two on one connection', async (t) => {
  const { gateway, ask } = await setUp(t, chatApi, json(chatApi.answer), { clientTimeout: '50ms' });
  for (let call = 0; call < 2; call++) {
    await read(await ask({}));
    await wait(150);
  }
  const rows = await gateway.exchanges(2);
  assert.deepEqual(
    rows.map((row) => row.outcome),
    ['ok', 'ok'],
  );
});
