import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { EndReason } from '../../src/exchange.js';
import { createRelay, type RelayEnd } from '../../src/stream/relay.js';
import { createTap } from '../../src/stream/tap.js';
import { chunk, done, roleChunk, usageChunk } from '../helpers/upstream.js';

const hello = chunk({ content: 'Hello' });
const there = chunk({ content: ' there' });
const stopped = chunk({}, 'stop');
const errorEvent = 'data: {"error":{"message":"overloaded","code":"server_error","status":529}}\n\n';

/** A relay over a body that the test writes by hand, and everything the relay told its owner. */
function setUp({
  stripUsage = false,
  mustSayEnd = true,
  drainBytes = null as number | null,
  seal = null as (() => Promise<void>) | null,
} = {}) {
  const body = new Readable({ read() {} });
  const log: string[] = [];
  const ends: RelayEnd[] = [];
  const clock = (name: string) => () => void log.push(name);
  const written: number[] = [];
  const relay = createRelay(body, {
    tap: createTap({ stripUsage }),
    timers: {
      content: clock('content'),
      activity: clock('activity'),
      pause: clock('pause'),
      resume: clock('resume'),
      clear: clock('clear'),
    },
    onRead: () => {},
    onContent: clock('onContent'),
    onWrite: (bytes) => written.push(bytes),
    onEnd: (end) => ends.push(end),
    onDelivered: clock('delivered'),
    shownError: (bytes: Buffer) => bytes,
    mustSayEnd,
    drainBytes,
    seal,
    failure: (_endReason: EndReason, message: string) => new Error(message),
    errorEvent: (endReason: EndReason) => `data: broken off: ${endReason}\n\n`,
  });
  const state = { ready: false };
  relay.ready.then(() => {
    state.ready = true;
  });
  return {
    body,
    relay,
    log,
    ends,
    written,
    state,
    count: (name: string) => log.filter((entry) => entry === name).length,
    send: async (...texts: string[]) => {
      for (const text of texts) body.push(text);
      await turn();
    },
    end: async () => {
      body.push(null);
      await turn();
    },
  };
}

/** Everything the client gets until the end. */
async function read(output: Readable): Promise<string> {
  let text = '';
  for await (const piece of output) text += piece;
  return text;
}

test('what comes before the first content is held back', async () => {
  const { send, state, relay, count } = setUp();
  await send(roleChunk, ': comment\n\n');
  assert.equal(state.ready, false);
  assert.equal(relay.output.readableLength, 0);
  assert.equal(count('onContent'), 0);
  assert.equal(count('activity'), 2);
});

test('with the first content all that was held goes out in one piece, unchanged', async () => {
  const { send, relay, written, log } = setUp();
  await send(roleChunk, ': comment\n\n', hello.slice(0, 20), hello.slice(20));
  assert.equal(await relay.ready, null);
  const [first] = await once(relay.output, 'data');
  assert.equal(String(first), `${roleChunk}: comment\n\n${hello}`);
  assert.deepEqual(written, [first.length]);
  assert.ok(log.indexOf('content') < log.indexOf('onContent'));
});

test('a complete stream reaches the client byte for byte, and ends once', async () => {
  const { send, end, relay, ends, count } = setUp();
  await send(roleChunk, hello);
  const text = read(relay.output);
  await send(there, stopped, usageChunk, done);
  await end();
  assert.equal(await text, roleChunk + hello + there + stopped + usageChunk + done);
  assert.deepEqual(ends, [{ kind: 'complete' }]);
  assert.equal(count('onContent'), 1);
  assert.equal(count('delivered'), 1);
});

test('a stream that ends after its finish reason without a terminator is complete', async () => {
  const { send, end, relay, ends } = setUp();
  await send(hello, stopped);
  const text = read(relay.output);
  await end();
  assert.equal(await text, hello + stopped);
  assert.deepEqual(ends, [{ kind: 'complete' }]);
});

test('an upstream that ends before any content is an early end, and nothing goes out', async () => {
  const { send, end, relay, ends, body } = setUp();
  await send(roleChunk);
  await end();
  const early = await relay.ready;
  assert.equal(early?.endReason, 'upstream_incomplete');
  assert.equal(early?.error, null);
  assert.equal(relay.output.readableLength, 0);
  assert.deepEqual(ends, []);
  assert.ok(body.destroyed);
});

test('a connection that breaks before any content is an early end', async () => {
  const { send, relay, body, ends } = setUp();
  await send(roleChunk);
  body.destroy(new Error('read ECONNRESET'));
  assert.deepEqual(await relay.ready, {
    endReason: 'upstream_reset',
    message: 'read ECONNRESET',
    error: null,
  });
  assert.deepEqual(ends, []);
});

test('an error event before any content is an early end with its status and body', async () => {
  const { send, relay } = setUp();
  await send(roleChunk, errorEvent);
  const early = await relay.ready;
  assert.equal(early?.endReason, 'upstream_error');
  assert.equal(early?.message, 'overloaded');
  assert.equal(early?.error?.status, 529);
  assert.equal(relay.output.readableLength, 0);
});

test('an error event after content goes to the client as it is, and the stream ends there', async () => {
  const { send, relay, ends } = setUp();
  await send(hello);
  const text = read(relay.output);
  await send(errorEvent);
  assert.equal(await text, hello + errorEvent);
  assert.deepEqual(ends, [{ kind: 'broken', endReason: 'upstream_error', message: 'overloaded' }]);
});

test('a connection that breaks after content is told to the client, without a terminator', async () => {
  const { send, relay, body, ends } = setUp();
  await send(hello);
  const text = read(relay.output);
  body.destroy(new Error('read ECONNRESET'));
  assert.equal(await text, `${hello}data: broken off: upstream_reset\n\n`);
  assert.deepEqual(ends, [{ kind: 'broken', endReason: 'upstream_reset', message: 'read ECONNRESET' }]);
});

test('a connection that closes without an error breaks the answer off all the same', async () => {
  const { send, relay, body, ends } = setUp();
  await send(hello);
  const text = read(relay.output);
  body.destroy();
  await text;
  assert.deepEqual(
    ends.map((end) => end.kind === 'broken' && end.endReason),
    ['upstream_reset'],
  );
});

test('an upstream that ends in the middle breaks off', async () => {
  const { send, end, relay, ends } = setUp();
  await send(hello);
  const text = read(relay.output);
  await end();
  assert.match(await text, /data: broken off: upstream_incomplete\n\n$/);
  assert.equal(ends[0]?.kind === 'broken' && ends[0].endReason, 'upstream_incomplete');
});

test('half an event does not reach the client when the answer breaks off', async () => {
  for (const half of ['data: {"cho', 'data: {}\n', 'event: ping\r\n']) {
    const { send, relay } = setUp();
    await send(hello);
    const text = read(relay.output);
    await send(half);
    relay.breakOff('idle_timeout', 'slow');
    assert.equal(await text, `${hello}data: broken off: idle_timeout\n\n`, JSON.stringify(half));
  }
});

test('half an event that is too large to be held back does not swallow the event that tells', async () => {
  const { send, relay } = setUp();
  await send(hello);
  const text = read(relay.output);
  const half = `data: ${'x'.repeat(1_100_000)}`;
  await send(half);
  relay.breakOff('idle_timeout', 'slow');
  const tail = (await text).slice(hello.length);
  assert.equal(tail.length, half.length + '\n\ndata: broken off: idle_timeout\n\n'.length);
  assert.ok(tail.endsWith('x\n\ndata: broken off: idle_timeout\n\n'));
});

test('nothing is put between a whole event and the one that tells, whatever line ends it has', async () => {
  for (const whole of ['data: {}\n\n', 'data: {}\r\n\r\n', 'data: {}\r\r']) {
    const { send, relay } = setUp();
    await send(hello);
    const text = read(relay.output);
    await send(whole);
    relay.breakOff('idle_timeout', 'slow');
    const expected = `${hello}${whole}data: broken off: idle_timeout\n\n`;
    assert.equal(await text, expected, JSON.stringify(whole));
  }
});

test('the usage chunk nobody asked for is left out, the rest is unchanged', async () => {
  const { send, end, relay } = setUp({ stripUsage: true });
  await send(roleChunk, hello, stopped, usageChunk, done);
  const text = read(relay.output);
  await end();
  assert.equal(await text, roleChunk + hello + stopped + done);
});

test('breaking off before content is an early end, and says it once', async () => {
  const { send, relay, body, ends, count } = setUp();
  await send(roleChunk);
  relay.breakOff('first_byte_timeout', 'slow');
  relay.breakOff('shutdown', 'later');
  assert.deepEqual(await relay.ready, { endReason: 'first_byte_timeout', message: 'slow', error: null });
  assert.ok(body.destroyed);
  await turn();
  assert.deepEqual(ends, []);
  assert.equal(count('clear'), 1);
});

test('breaking off after the answer is complete changes nothing', async () => {
  const { send, relay, ends } = setUp();
  await send(hello, stopped, done);
  relay.breakOff('shutdown', 'late');
  assert.equal(await read(relay.output), hello + stopped + done);
  assert.deepEqual(ends, [{ kind: 'complete' }]);
});

test('a slow client stops the reading and the idle clock, and reading starts both again', async () => {
  const { send, relay, body, log, count } = setUp();
  await send(hello);
  const big = chunk({ content: 'x'.repeat(200_000) });
  await send(big);
  assert.ok(body.isPaused());
  assert.equal(count('pause'), 1);
  await send(there);
  assert.equal(relay.output.readableLength, Buffer.byteLength(hello + big), 'nothing more is taken');
  const resumed = count('resume');
  relay.output.read();
  await turn();
  assert.equal(body.isPaused(), false);
  assert.ok(count('resume') > resumed);
  assert.ok(log.lastIndexOf('resume') > log.lastIndexOf('pause'));
});

test('bytes without content are released before they fill the memory', async () => {
  const { send, relay, state } = setUp();
  const comment = `: ${'x'.repeat(600_000)}\n\n`;
  await send(comment);
  assert.equal(state.ready, false);
  await send(comment);
  assert.equal(await relay.ready, null);
  assert.equal(relay.output.readableLength, 2 * comment.length);
});

test('the terminator ends the answer although the upstream keeps its connection open', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { send, relay, body, ends } = setUp();
  await send(hello, stopped, done);
  assert.equal(await read(relay.output), hello + stopped + done);
  assert.deepEqual(ends, [{ kind: 'complete' }]);
  assert.equal(body.destroyed, false, 'the connection may still be used again');
  t.mock.timers.tick(999);
  assert.equal(body.destroyed, false);
  t.mock.timers.tick(1);
  assert.equal(body.destroyed, true);
});

test('what an upstream sends after the terminator is read and thrown away', async (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { send, end, relay, body } = setUp();
  await send(hello, stopped, done);
  const text = read(relay.output);
  await send(': bye\n\n');
  await end();
  await turn();
  assert.equal(await text, hello + stopped + done);
  assert.ok(body.readableEnded);
});

test('after the terminator the upstream can end its side although the client is slow', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { send, end, relay, body } = setUp();
  await send(hello);
  await send(chunk({ content: 'x'.repeat(100_000) }) + stopped + done);
  assert.ok(relay.output.readableLength > 100_000);
  await end();
  await turn();
  assert.ok(body.readableEnded);
});

test('it is delivered when the client has taken the terminator, not when it came', async () => {
  const { send, relay, count } = setUp();
  await send(hello, stopped, done);
  assert.equal(count('delivered'), 0);
  assert.equal(String(relay.output.read()), hello + stopped + done);
  await turn();
  assert.equal(count('delivered'), 1);
});

test('an answer that breaks off is never delivered', async () => {
  const { send, relay, body, count } = setUp();
  await send(hello);
  const text = read(relay.output);
  body.destroy();
  await text;
  assert.equal(count('delivered'), 0);
});

test('destroying before content settles `ready` and closes both ends without a word', async () => {
  const { send, relay, body, ends, written } = setUp();
  await send(roleChunk);
  relay.destroy();
  assert.equal((await relay.ready)?.endReason, 'client_gone');
  assert.ok(body.destroyed && relay.output.destroyed);
  assert.deepEqual([ends, written], [[], []]);
});

test('destroying after content stops: nobody is told, because nobody reads', async () => {
  const { send, relay, body, ends, written, count } = setUp();
  await send(hello);
  const before = written.length;
  relay.destroy();
  await turn();
  assert.deepEqual(ends, [{ kind: 'stopped' }]);
  assert.equal(written.length, before);
  assert.ok(body.destroyed && relay.output.destroyed);
  assert.equal(count('delivered'), 0);
});

test('a client that closes its side stops the upstream', async () => {
  const { send, relay, body, ends, count } = setUp();
  await send(hello);
  relay.output.destroy();
  await turn();
  assert.deepEqual(ends, [{ kind: 'stopped' }]);
  assert.ok(body.destroyed);
  assert.equal(count('clear'), 1);
});

test('a client that closes after the end does not undo it', async () => {
  const { send, relay, ends } = setUp();
  await send(hello, stopped, done);
  await read(relay.output);
  relay.destroy();
  await turn();
  assert.deepEqual(ends, [{ kind: 'complete' }]);
});
