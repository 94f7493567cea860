import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAvailability } from '../../src/routing/availability.js';

test('a target nothing is known about is free', () => {
  assert.equal(createAvailability().blocked('lab', 'lab/a', 0), null);
});

test('a block ends at its deadline', () => {
  const availability = createAvailability();
  availability.block('lab/a', 'rate_limited', 100);
  assert.deepEqual(availability.blocked('lab', 'lab/a', 99), { obstacle: 'rate_limited', until: 100 });
  assert.equal(availability.blocked('lab', 'lab/a', 100), null);
});

test('a block of the provider holds for all its targets, a block of a target for that one', () => {
  const availability = createAvailability();
  availability.block('lab', 'quarantined', 100);
  availability.block('other/a', 'model_missing', 100);
  assert.equal(availability.blocked('lab', 'lab/a', 0)?.obstacle, 'quarantined');
  assert.equal(availability.blocked('lab', 'lab/b', 0)?.obstacle, 'quarantined');
  assert.equal(availability.blocked('other', 'other/a', 0)?.obstacle, 'model_missing');
  assert.equal(availability.blocked('other', 'other/b', 0), null);
});

test('of two blocks the one that lasts longer is told', () => {
  const availability = createAvailability();
  availability.block('lab', 'quarantined', 50);
  availability.block('lab/a', 'model_missing', 100);
  assert.equal(availability.blocked('lab', 'lab/a', 0)?.obstacle, 'model_missing');
  availability.block('lab', 'payment_required', 200);
  assert.equal(availability.blocked('lab', 'lab/a', 0)?.obstacle, 'payment_required');
});

test('an earlier deadline does not shorten a block', () => {
  const availability = createAvailability();
  availability.block('lab/a', 'model_missing', 100);
  availability.block('lab/a', 'rate_limited', 50);
  assert.deepEqual(availability.blocked('lab', 'lab/a', 0), { obstacle: 'model_missing', until: 100 });
});

test('after a block is over, a new one may end earlier than the old one would have been extended to', () => {
  const availability = createAvailability();
  availability.block('lab/a', 'rate_limited', 100);
  assert.equal(availability.blocked('lab', 'lab/a', 150), null);
  availability.block('lab/a', 'rate_limited', 160);
  assert.equal(availability.blocked('lab', 'lab/a', 150)?.until, 160);
});

test('in whatever order blocks come, a target is blocked until the last deadline that concerns it', () => {
  const key = fc.constantFrom('lab', 'lab/a', 'lab/b', 'other');
  const until = fc.integer({ min: 1, max: 1000 });
  fc.assert(
    fc.property(fc.array(fc.tuple(key, until)), fc.nat({ max: 1000 }), (calls, now) => {
      const availability = createAvailability();
      for (const [name, end] of calls) availability.block(name, 'rate_limited', end);
      const ends = calls.filter(([name]) => name === 'lab' || name === 'lab/a').map(([, end]) => end);
      const last = Math.max(0, ...ends);
      assert.equal(availability.blocked('lab', 'lab/a', now)?.until ?? null, last > now ? last : null);
    }),
  );
});
