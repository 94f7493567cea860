import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { startTimers } from '../../src/upstream/timers.js';

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const rung: string[] = [];
  const timers = startTimers({ firstByte: 100, idle: 50, total: 1000 }, (reason) => rung.push(reason));
  // Timers ring only after what has come was read.
  async function tick(ms: number): Promise<void> {
    t.mock.timers.tick(ms);
    await turn();
  }
  return { timers, rung, tick };
}

test('an upstream that sends no content rings once, and alone', async (t) => {
  const { rung, tick } = start(t);
  await tick(99);
  assert.deepEqual(rung, []);
  await tick(1);
  assert.deepEqual(rung, ['first_byte_timeout']);
  await tick(10_000);
  assert.deepEqual(rung, ['first_byte_timeout']);
});

test('gaps do not count before the first content', async (t) => {
  const { timers, rung, tick } = start(t);
  timers.resume();
  await tick(60);
  timers.activity();
  await tick(39);
  assert.deepEqual(rung, []);
});

test('after the first content only gaps count', async (t) => {
  const { timers, rung, tick } = start(t);
  await tick(90);
  timers.content();
  await tick(49);
  assert.deepEqual(rung, []);
  await tick(1);
  assert.deepEqual(rung, ['idle_timeout']);
  await tick(10_000);
  assert.deepEqual(rung, ['idle_timeout']);
});

test('a slow client is not the upstream’s gap', async (t) => {
  const { timers, rung, tick } = start(t);
  timers.content();
  await tick(40);
  timers.pause();
  await tick(500);
  assert.deepEqual(rung, []);
  timers.resume();
  await tick(49);
  assert.deepEqual(rung, []);
  await tick(1);
  assert.deepEqual(rung, ['idle_timeout']);
});

test('resuming what runs already does not put the deadline off', async (t) => {
  const { timers, rung, tick } = start(t);
  timers.content();
  await tick(30);
  timers.resume();
  await tick(20);
  assert.deepEqual(rung, ['idle_timeout']);
});

test('the whole attempt has a deadline, while paused too', async (t) => {
  const { timers, rung, tick } = start(t);
  timers.content();
  timers.pause();
  await tick(999);
  assert.deepEqual(rung, []);
  await tick(1);
  assert.deepEqual(rung, ['total_timeout']);
});

test('cleared clocks never ring, whatever is called afterwards', async (t) => {
  const { timers, rung, tick } = start(t);
  timers.content();
  timers.clear();
  timers.resume();
  timers.activity();
  await tick(10_000);
  assert.deepEqual(rung, []);
});

// Not with a mocked clock: `performance.now` would not know of it.
test('bytes put the next gap off', async () => {
  let reads = 0;
  const reason = await new Promise((resolve) => {
    const timers = startTimers({ firstByte: 10_000, idle: 60, total: 10_000 }, resolve);
    timers.content();
    const reading = setInterval(() => {
      timers.activity();
      if (++reads === 12) clearInterval(reading);
    }, 10);
  });
  assert.deepEqual([reason, reads], ['idle_timeout', 12]);
});

test('what came while the event loop stood still is read before anything rings', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const rung: string[] = [];
  const timers = startTimers({ firstByte: 100, idle: 50, total: 1000 }, (reason) => rung.push(reason));
  t.mock.timers.tick(500);
  timers.content();
  await turn();
  assert.deepEqual(rung, []);
  t.mock.timers.tick(50);
  await turn();
  assert.deepEqual(rung, ['idle_timeout']);
});

test('while a body is still being sent, nobody waits for the answer', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const rung: string[] = [];
  const uploading = new PassThrough();
  startTimers({ firstByte: 100, idle: 50, total: 1000 }, (reason) => rung.push(reason), uploading);
  t.mock.timers.tick(500);
  await turn();
  assert.deepEqual(rung, []);
  uploading.resume().end();
  await once(uploading, 'close');
  t.mock.timers.tick(100);
  await turn();
  assert.deepEqual(rung, ['first_byte_timeout']);
});
