import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addValue,
  clearHistogram,
  countEncoded,
  createHistogram,
  encodeHistogram,
  findPercentiles,
  type Histogram,
  mergeEncoded,
  mergeHistogram,
} from '../../src/db/histogram.js';

const durations = fc.array(fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 600_000_000 }), fc.maxSafeNat()), {
  minLength: 1,
  maxLength: 200,
});
const fractions = fc.constantFrom(0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 1);

function histogramOf(values: number[]) {
  const histogram = createHistogram();
  for (const value of values) addValue(histogram, value);
  return histogram;
}

const countOf = (histogram: Histogram) => countEncoded(encodeHistogram(histogram));

function percentile(histogram: Histogram, fraction: number): number {
  let read = Number.NaN;
  findPercentiles(histogram, countOf(histogram), [fraction], (value) => {
    read = value;
  });
  return read;
}

test('a percentile is within 2 % of the true one', () => {
  fc.assert(
    fc.property(durations, fractions, (values, fraction) => {
      const sorted = values.toSorted((left, right) => left - right);
      const exact = sorted[Math.max(1, Math.ceil(fraction * values.length)) - 1] ?? Number.NaN;
      const read = percentile(histogramOf(values), fraction);
      assert.ok(Math.abs(read - exact) <= exact * 0.02, `${read} for ${exact}`);
    }),
    { numRuns: 500 },
  );
});

test('every duration up to 100 ms is read back within 2 %', () => {
  for (let value = 0; value <= 100_000; value += value < 5000 ? 1 : 37) {
    const read = percentile(histogramOf([value]), 0.5);
    assert.ok(Math.abs(read - value) <= value * 0.02, `${read} for ${value}`);
  }
});

test('merging two histograms is counting both lists, whichever way they come', () => {
  fc.assert(
    fc.property(durations, durations, (left, right) => {
      const both = encodeHistogram(histogramOf([...left, ...right]));
      const merged = histogramOf(left);
      mergeEncoded(merged, encodeHistogram(histogramOf(right)));
      assert.deepEqual(encodeHistogram(merged), both);
      const added = histogramOf(left);
      mergeHistogram(added, histogramOf(right));
      assert.deepEqual(encodeHistogram(added), both);
      const decoded = createHistogram();
      mergeEncoded(decoded, encodeHistogram(histogramOf(left)));
      for (const value of right) addValue(decoded, value);
      assert.deepEqual(encodeHistogram(decoded), both);
      assert.equal(countOf(merged), left.length + right.length);
    }),
  );
});

test('encoding loses nothing', () => {
  fc.assert(
    fc.property(durations, fractions, (values, fraction) => {
      const original = histogramOf(values);
      const copy = createHistogram();
      mergeEncoded(copy, encodeHistogram(original));
      assert.deepEqual(encodeHistogram(copy), encodeHistogram(original));
      assert.equal(percentile(copy, fraction), percentile(original, fraction));
      assert.equal(countOf(copy), countOf(original));
    }),
  );
});

test('several percentiles are found in one go, each as if alone', () => {
  fc.assert(
    fc.property(durations, (values) => {
      const histogram = histogramOf(values);
      const asked = [0.01, 0.5, 0.9, 0.95, 0.99, 1];
      const read: number[] = [];
      findPercentiles(histogram, values.length, asked, (value, position) => {
        read[position] = value;
      });
      assert.deepEqual(
        read,
        asked.map((fraction) => percentile(histogram, fraction)),
      );
    }),
  );
});

test('counts beyond 32 bits survive', () => {
  const histogram = histogramOf([1000]);
  for (let doubling = 0; doubling < 40; doubling += 1) {
    mergeEncoded(histogram, encodeHistogram(histogram));
  }
  assert.equal(countOf(histogram), 2 ** 40);
  const copy = createHistogram();
  mergeEncoded(copy, encodeHistogram(histogram));
  assert.equal(countOf(copy), 2 ** 40);
});

test('an empty histogram has no bytes, nor has one that was cleared', () => {
  assert.equal(encodeHistogram(createHistogram()).length, 0);
  const histogram = histogramOf([1, 2, 3]);
  clearHistogram(histogram);
  assert.equal(encodeHistogram(histogram).length, 0);
  assert.ok(Number.isNaN(percentile(histogram, 0.5)) || countOf(histogram) === 0);
});
