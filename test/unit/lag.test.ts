import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createLagSampler } from '../../src/lag.js';

/** Holds up the event loop. Milliseconds. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test('the longest hold-up of a span is found, the present one among them', async () => {
  const lag = createLagSampler(() => true);
  lag.wake();
  await wait(30);
  const before = performance.now();
  block(120);
  assert.ok(lag.since(before) >= 90_000, 'while it lasts');
  await wait(50);
  const between = performance.now();
  assert.ok(lag.since(before) >= 90_000, 'when it is over');
  block(60);
  await wait(50);
  assert.ok(lag.since(between) >= 30_000);
  assert.ok(lag.since(before) > lag.since(between), 'a span sees only what was in it');
});

test('an event loop that is not held up has no lag', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  const lag = createLagSampler(() => true);
  lag.wake();
  for (let tick = 0; tick < 10; tick += 1) {
    now += 20;
    t.mock.timers.tick(20);
  }
  assert.equal(lag.since(1000), 0);
  now += 27;
  t.mock.timers.tick(20);
  assert.equal(lag.since(1000), 7000);
  assert.equal(lag.since(now), 0);
});

test('memory is bounded, and the latest hold-ups are the ones that are kept', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const lag = createLagSampler(() => true);
  lag.wake();
  for (let tick = 0; tick < 5000; tick += 1) {
    now += 20 + (5000 - tick) / 1000;
    t.mock.timers.tick(20);
  }
  assert.ok(lag.since(0) <= 1100, `${lag.since(0)} us`);
  now += 20.5;
  t.mock.timers.tick(20);
  assert.equal(lag.since(now - 1), 500);
});

test('it samples only while something needs it', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const clear = t.mock.method(globalThis, 'clearInterval');
  let needed = true;
  const lag = createLagSampler(() => needed);
  lag.wake();
  lag.wake();
  t.mock.timers.tick(20);
  assert.equal(clear.mock.callCount(), 0);
  needed = false;
  t.mock.timers.tick(20);
  assert.equal(clear.mock.callCount(), 1);
  assert.equal(lag.since(performance.now()), 0);
});
