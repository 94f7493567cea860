import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startTimers } from '../../src/upstream/timers.js';

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const rung: string[] = [];
  const timers = startTimers({ firstByte: 100, idle: 50, total: 1000 }, (reason) => rung.push(reason));
  return { timers, rung, tick: (ms: number) => t.mock.timers.tick(ms) };
}

test('an upstream that sends no content rings once, and alone', (t) => {
  const { rung, tick } = start(t);
  tick(99);
  assert.deepEqual(rung, []);
  tick(1);
  assert.deepEqual(rung, ['first_byte_timeout']);
  tick(10_000);
  assert.deepEqual(rung, ['first_byte_timeout']);
});

test('gaps do not count before the first content', (t) => {
  const { timers, rung, tick } = start(t);
  timers.resume();
  tick(60);
  timers.activity();
  tick(39);
  assert.deepEqual(rung, []);
});

test('after the first content only gaps count', (t) => {
  const { timers, rung, tick } = start(t);
  tick(90);
  timers.content();
  tick(49);
  assert.deepEqual(rung, []);
  tick(1);
  assert.deepEqual(rung, ['idle_timeout']);
  tick(10_000);
  assert.deepEqual(rung, ['idle_timeout']);
});

test('a slow client is not the upstream’s gap', (t) => {
  const { timers, rung, tick } = start(t);
  timers.content();
  tick(40);
  timers.pause();
  tick(500);
  assert.deepEqual(rung, []);
  timers.resume();
  tick(49);
  assert.deepEqual(rung, []);
  tick(1);
  assert.deepEqual(rung, ['idle_timeout']);
});

test('resuming what runs already does not put the deadline off', (t) => {
  const { timers, rung, tick } = start(t);
  timers.content();
  tick(30);
  timers.resume();
  tick(20);
  assert.deepEqual(rung, ['idle_timeout']);
});

test('the whole attempt has a deadline, while paused too', (t) => {
  const { timers, rung, tick } = start(t);
  timers.content();
  timers.pause();
  tick(999);
  assert.deepEqual(rung, []);
  tick(1);
  assert.deepEqual(rung, ['total_timeout']);
});

test('cleared clocks never ring, whatever is called afterwards', (t) => {
  const { timers, rung, tick } = start(t);
  timers.content();
  timers.clear();
  timers.resume();
  timers.activity();
  tick(10_000);
  assert.deepEqual(rung, []);
});

// Not with a mocked clock: the timers it hands out do not know `refresh` in Node 20.
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
