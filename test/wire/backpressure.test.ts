import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { chat, rawPost, startGateway } from '../helpers/gateway.js';
import { chunk, done, startUpstream, usageChunk, withResolvers } from '../helpers/upstream.js';

const MB = 1024 * 1024;
const EVENTS = 4096;
/** Each about 16 kB, with a character of several bytes in it, and no two alike. */
const event = (index: number) => chunk({ content: `${index} 😀 ${'x'.repeat(16_384)}` });
const finish = chunk({}, 'stop');
/** Longer than the event loop stands still when one process on a busy machine is client, gateway and upstream. */
const IDLE_MS = 1_000;
/** No drain for this long: the reader at the other end has stopped. Longer than the idle timeout. */
const QUIET_MS = 1.5 * IDLE_MS;
/** What sockets and streams on the way may hold; the answer has four times as much. */
const BOUND = 16 * MB;

/** Sends every event as fast as the connection takes them, and tells when it takes no more. */
async function startFlood(context: TestContext) {
  const stalled = withResolvers();
  const closed = withResolvers();
  const state = { written: 0, complete: false, response: null as ServerResponse | null };
  const upstream = await startUpstream(context, async (response) => {
    state.response = response;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const quiet = setTimeout(stalled.resolve, QUIET_MS);
    context.after(() => clearTimeout(quiet));
    response.on('drain', () => quiet.refresh());
    response.on('close', closed.resolve);
    for (let index = 0; index < EVENTS; index++) {
      const text = event(index);
      state.written += Buffer.byteLength(text);
      if (!response.write(text)) await Promise.race([once(response, 'drain'), closed.promise]);
      if (response.destroyed) return;
    }
    clearTimeout(quiet);
    state.complete = true;
    response.end(finish + usageChunk + done);
  });
  return { upstream, stalled: stalled.promise, closed: closed.promise, state };
}

/** A client that has the headers and has not read a byte, with an upstream that can send no more. */
async function setUp(context: TestContext) {
  const flood = await startFlood(context);
  const gateway = await startGateway(context, {
    providers: {
      main: {
        type: 'openai-compatible',
        baseUrl: flood.upstream.url,
        timeouts: { idle: IDLE_MS },
      },
    },
  });
  const before = held();
  const { outgoing, response } = rawPost(
    `${gateway.url}/v1/chat/completions`,
    JSON.stringify({ ...chat, stream: true }),
  );
  const answer = await response;
  await flood.stalled;
  return { ...flood, gateway, before, outgoing, answer };
}

/** Bytes on the heap and in buffers beside it. */
function held(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function expectedHash(): string {
  const hash = createHash('sha256');
  for (let index = 0; index < EVENTS; index++) hash.update(event(index));
  return hash.update(finish + done).digest('hex');
}

async function readHash(answer: IncomingMessage): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of answer) hash.update(bytes);
  return hash.digest('hex');
}

test('a client that does not read stops the upstream, and then gets every byte', async (t) => {
  const { gateway, state, before, answer } = await setUp(t);
  assert.equal(answer.statusCode, 200);
  assert.equal(state.complete, false, 'the upstream is held up');
  assert.equal(state.response?.writableNeedDrain, true);
  assert.ok(state.written < BOUND, `${state.written} bytes were taken from the upstream`);
  const growth = held() - before;
  assert.ok(growth < 2 * BOUND, `memory grew by ${growth} bytes`);
  const writtenWhenStalled = state.written;

  assert.equal(await readHash(answer), expectedHash());
  assert.ok(state.complete && state.written > 4 * writtenWhenStalled);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['ok', 'complete']);
  assert.equal(row?.bytes_out, state.written + Buffer.byteLength(finish + done));
  assert.equal(row?.chunks, EVENTS + 3);
  assert.ok(Number(row?.largest_gap_us) > IDLE_MS * 1000, 'longer than the idle timeout, which did not fire');
  assert.equal(row?.output_text_tokens, 2);
});

test('a client that leaves without having read frees the upstream', async (t) => {
  const { gateway, state, outgoing, closed } = await setUp(t);
  outgoing.destroy();
  await closed;
  assert.equal(state.complete, false);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [200, 'aborted', 'client_gone']);
});

test('when the client reads again, the upstream is the one that is waited for', async (t) => {
  const sent = withResolvers();
  const text = event(0).repeat(64);
  const upstream = await startUpstream(t, (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(text, sent.resolve);
  });
  const gateway = await startGateway(t, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url, timeouts: { idle: '300ms' } },
    },
  });
  const body = JSON.stringify({ ...chat, stream: true });
  const answer = await rawPost(`${gateway.url}/v1/chat/completions`, body).response;
  await sent.promise;
  let received = '';
  for await (const bytes of answer.setEncoding('utf8')) received += bytes;
  assert.ok(received.startsWith(text));
  assert.match(received.slice(text.length), /^data: \{"error":\{.*"code":"upstream_timeout"\}\}\n\n$/);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['truncated', 'idle_timeout']);
});
