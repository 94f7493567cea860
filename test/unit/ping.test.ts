import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createPinged } from '../../src/stream/ping.js';

const EVENT = 'data: {"a":1}\n\n';
const PING = ': ping\n\n';

/** A pinged stream every 100 ms, and what its reader has got. */
function setUp(t: TestContext, { reading = true } = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const pings: number[] = [];
  const pinged = createPinged({ intervalMs: 100, onPing: (bytes) => pings.push(bytes) });
  const got: string[] = [];
  const seen = { ended: false, closed: false, error: null as Error | null };
  pinged.output.on('end', () => {
    seen.ended = true;
  });
  pinged.output.on('close', () => {
    seen.closed = true;
  });
  pinged.output.on('error', (error) => {
    seen.error = error;
  });
  if (reading) pinged.output.on('data', (chunk: Buffer) => got.push(chunk.toString()));
  const source = new Readable({ read() {} });
  async function tick(ms: number): Promise<void> {
    t.mock.timers.tick(ms);
    await turn();
  }
  async function send(text: string): Promise<void> {
    source.push(text);
    await turn();
  }
  return { pinged, pings, got, seen, source, tick, send };
}

test('a comment goes out for every interval without an answer', async (t) => {
  const { got, pings, tick } = setUp(t);
  await turn();
  await tick(99);
  assert.deepEqual(got, []);
  await tick(1);
  await tick(100);
  assert.deepEqual(got, [PING, PING]);
  assert.deepEqual(pings, [PING.length, PING.length]);
});

test('the answer comes through as it is, and an interval begins with each write', async (t) => {
  const { pinged, source, got, tick, send } = setUp(t);
  pinged.attach(source);
  await tick(60);
  await send(EVENT);
  await tick(60);
  assert.deepEqual(got, [EVENT]);
  await tick(40);
  assert.deepEqual(got, [EVENT, PING]);
  await send(EVENT);
  assert.deepEqual(got, [EVENT, PING, EVENT]);
});

test('no comment goes into an event that is still being written', async (t) => {
  const { pinged, source, got, tick, send } = setUp(t);
  pinged.attach(source);
  await send('data: half');
  await tick(500);
  assert.deepEqual(got, ['data: half']);
  await send('\n');
  await tick(500);
  assert.equal(got.length, 2);
  await send('\n');
  await tick(100);
  assert.equal(got.join(''), `data: half\n\n${PING}`);
});

test('a reader that is behind gets no comments, and stops the source', async (t) => {
  const { pinged, source, pings, tick, send } = setUp(t, { reading: false });
  pinged.attach(source);
  await send(EVENT);
  await send(EVENT);
  assert.ok(source.isPaused());
  assert.equal(pinged.output.readableLength, EVENT.length, 'one read waits here, the next one in the source');
  await tick(1000);
  assert.deepEqual(pings, []);
  assert.equal(String(pinged.output.read()), EVENT);
  await turn();
  assert.equal(String(pinged.output.read()), EVENT);
  await turn();
  await tick(100);
  assert.equal(String(pinged.output.read()), PING);
});

test('a reader that never reads gets one comment, not a heap of them', async (t) => {
  const { pinged, tick } = setUp(t, { reading: false });
  for (let round = 0; round < 20; round++) await tick(100);
  assert.equal(pinged.output.readableLength, PING.length);
});

test('the end of the source is the end', async (t) => {
  const { pinged, source, got, seen, tick, send } = setUp(t);
  pinged.attach(source);
  await send(EVENT);
  await send('data: [DONE]\n\n');
  source.push(null);
  await once(pinged.output, 'close');
  await tick(1000);
  assert.equal(got.join(''), `${EVENT}data: [DONE]\n\n`);
  assert.deepEqual(seen, { ended: true, closed: true, error: null });
});

test('a source that fails fails the output with the same error', async (t) => {
  const { pinged, source, seen, tick } = setUp(t);
  pinged.attach(source);
  const error = new Error('reset');
  source.destroy(error);
  await once(pinged.output, 'close').catch(() => {});
  await tick(1000);
  assert.deepEqual(seen, { ended: false, closed: true, error });
});

test('a source that closes without an end closes the output without one', async (t) => {
  const { pinged, source, seen } = setUp(t);
  pinged.attach(source);
  source.destroy();
  await once(pinged.output, 'close');
  assert.deepEqual(seen, { ended: false, closed: true, error: null });
});

test('destroying the output destroys the source and stops the comments', async (t) => {
  const { pinged, source, pings, tick } = setUp(t);
  pinged.attach(source);
  pinged.output.destroy();
  await once(source, 'close');
  await tick(1000);
  assert.deepEqual(pings, []);
});

test('an answer that comes after the client has left is destroyed', async (t) => {
  const { pinged, source } = setUp(t);
  pinged.output.destroy();
  pinged.attach(source);
  assert.ok(source.destroyed);
  source.destroy(new Error('must not be thrown'));
  await turn();
});

test('a source that was over before it came is over here too', async (t) => {
  const failed = new Readable({ read() {} });
  const error = new Error('early');
  failed.on('error', () => {}).destroy(error);
  await turn();
  const one = setUp(t);
  one.pinged.attach(failed);
  await once(one.pinged.output, 'close').catch(() => {});
  assert.equal(one.seen.error, error);

  const ended = Readable.from([]);
  await once(ended.resume(), 'end');
  const other = createPinged({ intervalMs: 100 });
  other.attach(ended);
  await once(other.output.resume(), 'end');
});

test('what the gateway says stands between two events', async (t) => {
  const { pinged, source, got, send } = setUp(t);
  pinged.say(Buffer.from('data: 1\n\n'));
  pinged.attach(source);
  await send('data: half');
  pinged.say(Buffer.from('data: broken\n\n'));
  pinged.end();
  assert.ok(source.destroyed);
  await once(pinged.output, 'end');
  assert.equal(got.join(''), 'data: 1\n\ndata: half\n\ndata: broken\n\n');
  pinged.say(Buffer.from('late'));
  pinged.end();
});

test('a byte order mark behind a comment would spoil the first event, so it is left out', async (t) => {
  const { pinged, source, got, tick, send } = setUp(t);
  await turn();
  await tick(100);
  pinged.attach(source);
  await send(`\ufeff${EVENT}`);
  await send(`\ufeff${EVENT}`);
  assert.deepEqual(got, [PING, EVENT, `\ufeff${EVENT}`]);
});

test('without a comment before it the byte order mark stays', async (t) => {
  const { pinged, source, got, send } = setUp(t);
  pinged.attach(source);
  await send(`\ufeff${EVENT}`);
  assert.deepEqual(got, [`\ufeff${EVENT}`]);
});

test('there is one source', (t) => {
  const { pinged, source } = setUp(t);
  pinged.attach(source);
  assert.throws(() => pinged.attach(source), /source already/);
});

test('a large answer goes through a pipe without loss at any speed', async () => {
  const pinged = createPinged({ intervalMs: 1 });
  const events = Array.from({ length: 500 }, (_, at) => `data: ${at}${'x'.repeat(at)}\n\n`);
  const slow = new PassThrough({ highWaterMark: 100 });
  pinged.output.pipe(slow);
  pinged.attach(Readable.from(events.map((event) => Buffer.from(event))));
  let text = '';
  for await (const chunk of slow) {
    text += chunk;
    await turn();
  }
  assert.equal(text.replaceAll(PING, ''), events.join(''));
});
