import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { periodOf } from '../../src/budgets/period.js';

const iso = (per: 'day' | 'week' | 'month', at: string) => {
  const { start, end } = periodOf(per, Date.parse(at));
  return [start, end ?? 0].map((instant) => new Date(instant).toISOString().slice(0, 16));
};

test('days, weeks from Monday, and months are those of UTC', () => {
  assert.deepEqual(iso('day', '2026-07-31T23:59:59.999Z'), ['2026-07-31T00:00', '2026-08-01T00:00']);
  assert.deepEqual(iso('week', '2026-07-31T12:00:00Z'), ['2026-07-27T00:00', '2026-08-03T00:00']);
  assert.deepEqual(iso('week', '2026-08-03T00:00:00Z'), ['2026-08-03T00:00', '2026-08-10T00:00']);
  assert.deepEqual(iso('month', '2026-12-31T23:59:59Z'), ['2026-12-01T00:00', '2027-01-01T00:00']);
  assert.deepEqual(iso('month', '2028-02-29T00:00:00Z'), ['2028-02-01T00:00', '2028-03-01T00:00']);
  assert.deepEqual(periodOf('total', 5), { start: 0, end: null });
});

test('every moment lies in one period, which begins where another ends, on the hour', () => {
  const moment = fc.integer({ min: Date.UTC(1971, 0), max: Date.UTC(2100, 0) });
  fc.assert(
    fc.property(fc.constantFrom('day', 'week', 'month'), moment, (per, at) => {
      const { start, end } = periodOf(per, at);
      assert.ok(end !== null && start <= at && at < end);
      assert.equal(periodOf(per, end).start, end);
      assert.deepEqual(periodOf(per, end - 1), { start, end });
      assert.equal(start % 3_600_000, 0);
    }),
  );
});
