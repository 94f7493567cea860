import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createHistogram } from '../../src/db/histogram.js';

const durations = fc.array(fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 600_000_000 }), fc.maxSafeNat()), {
  minLength: 1,
  maxLength: 200,
});
const fractions = fc.constantFrom(0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 1);

function histogramOf(values: number[]) {
  const histogram = createHistogram();
  for (const value of values) histogram.add(value);
  return histogram;
}

test('a percentile is within 2 % of the true one', () => {
  fc.assert(
    fc.property(durations, fractions, (values, fraction) => {
      const sorted = values.toSorted((left, right) => left - right);
      const exact = sorted[Math.max(1, Math.ceil(fraction * values.length)) - 1] ?? Number.NaN;
      const read = histogramOf(values).percentile(fraction) ?? Number.NaN;
      assert.ok(Math.abs(read - exact) <= exact * 0.02, `${read} for ${exact}`);
    }),
    { numRuns: 500 },
  );
});

test('every duration up to 100 ms is read back within 2 %', () => {
  for (let value = 0; value <= 100_000; value += value < 5000 ? 1 : 37) {
    const read = histogramOf([value]).percentile(0.5) ?? Number.NaN;
    assert.ok(Math.abs(read - value) <= value * 0.02, `${read} for ${value}`);
  }
});

test('merging two histograms is counting both lists', () => {
  fc.assert(
    fc.property(durations, durations, (left, right) => {
      const merged = histogramOf(left);
      merged.merge(histogramOf(right).encode());
      assert.deepEqual(merged.encode(), histogramOf([...left, ...right]).encode());
      assert.equal(merged.count, left.length + right.length);
    }),
  );
});

test('encoding loses nothing', () => {
  fc.assert(
    fc.property(durations, fractions, (values, fraction) => {
      const original = histogramOf(values);
      const copy = createHistogram();
      copy.merge(original.encode());
      assert.deepEqual(copy.encode(), original.encode());
      assert.equal(copy.percentile(fraction), original.percentile(fraction));
      assert.equal(copy.count, original.count);
    }),
  );
});

test('counts beyond 32 bits survive', () => {
  const histogram = histogramOf([1000]);
  for (let doubling = 0; doubling < 40; doubling += 1) histogram.merge(histogram.encode());
  assert.equal(histogram.count, 2 ** 40);
  const copy = createHistogram();
  copy.merge(histogram.encode());
  assert.equal(copy.count, 2 ** 40);
});

test('an empty histogram has no percentile and no bytes', () => {
  assert.equal(createHistogram().percentile(0.5), null);
  assert.equal(createHistogram().encode().length, 0);
});
