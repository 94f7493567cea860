import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createSlidingCount } from '../../src/routing/availability/sliding-count.js';

const WINDOW = 600;
const BUCKET = 100;

test('what happened within the window is always counted, and for at most one bucket longer', () => {
  const event = fc.tuple(fc.nat({ max: 400 }), fc.integer({ min: 1, max: 9 }));
  fc.assert(
    fc.property(fc.array(event), fc.nat({ max: 2000 }), (events, pause) => {
      const count = createSlidingCount(WINDOW, BUCKET);
      const happened: [at: number, amount: number][] = [];
      let now = 0;
      for (const [after, amount] of events) {
        now += after;
        count.add(now, amount);
        happened.push([now, amount]);
      }
      now += pause;
      const since = (start: number) =>
        happened.filter(([at]) => at > start).reduce((sum, [, amount]) => sum + amount, 0);
      const total = count.total(now);
      assert.ok(total >= since(now - WINDOW), 'forgotten too early');
      assert.ok(total <= since(now - WINDOW - BUCKET - 1), 'forgotten too late');
      assert.equal(
        count.entries(now).reduce((sum, [, amount]) => sum + amount, 0),
        total,
      );
    }),
  );
});

test('the moment told is the first at which so much is forgotten', () => {
  const event = fc.tuple(fc.nat({ max: 400 }), fc.integer({ min: 1, max: 9 }));
  fc.assert(
    fc.property(fc.array(event, { minLength: 1 }), fc.integer({ min: 1, max: 30 }), (events, amount) => {
      const count = createSlidingCount(WINDOW, BUCKET);
      let now = 0;
      for (const [after, added] of events) {
        now += after;
        count.add(now, added);
      }
      const before = count.total(now);
      const at = count.forgottenAt(now, amount);
      if (at === null) return assert.ok(before < amount);
      assert.ok(at > now && at <= now + WINDOW + BUCKET);
      assert.ok(before - count.total(at - 1) < amount, 'it was forgotten before');
      assert.ok(before - count.total(at) >= amount, 'it is not forgotten then');
    }),
  );
});

test('what is taken back is gone, once', () => {
  const count = createSlidingCount(WINDOW, BUCKET);
  count.add(0, 5);
  count.add(250, 3);
  count.subtract(0, 5);
  assert.equal(count.total(250), 3);
  count.subtract(0, 5);
  assert.equal(count.total(250), 3);
  count.subtract(260, 9);
  assert.equal(count.total(250), 0);
});

test('taking back what is forgotten leaves what has taken its place', () => {
  const count = createSlidingCount(WINDOW, BUCKET);
  count.add(0, 5);
  count.add(WINDOW + BUCKET, 5);
  count.subtract(0, 5);
  count.subtract(2 * (WINDOW + BUCKET), 5);
  assert.equal(count.total(WINDOW + BUCKET), 5);
});

test('a clock that goes back and forth a little makes nothing be forgotten early', () => {
  const count = createSlidingCount(WINDOW, BUCKET);
  count.add(1000, 1);
  for (let turn = 0; turn < 20; turn++) {
    assert.equal(count.total(1000 - BUCKET), 1);
    assert.equal(count.total(1000), 1);
  }
  count.add(900, 1);
  assert.equal(count.total(1000 + WINDOW - 1), 2);
  assert.equal(count.total(1000 + WINDOW + BUCKET), 0);
});

test('after a clock was set back by far, everything counts on at its age', () => {
  for (const early of [300, 1000, 12_345, 123_456]) {
    const count = createSlidingCount(WINDOW, BUCKET);
    count.add(999_300, 2);
    count.add(999_600, 1);
    const floor = Math.floor(early / BUCKET) * BUCKET;
    assert.equal(count.total(early), 3);
    assert.equal(count.total(floor + WINDOW - 300), 3);
    assert.equal(count.total(floor + WINDOW - 200), 1);
    assert.equal(count.total(floor + WINDOW), 1);
    assert.equal(count.total(floor + WINDOW + BUCKET), 0);
  }
});
