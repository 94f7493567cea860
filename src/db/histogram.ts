import { advance, MAX_VARINT, type Pairs, pairsOf, writeVarint } from './varints.js';

/** Neighbouring buckets grow by 2 %, so a bucket's middle is within 1 % of every value in it. */
const GROWTH = 1.02;
const LOG_GROWTH = Math.log(GROWTH);
/** Buckets of everything a number can count exactly. */
const BUCKETS = 2 + Math.floor(Math.log(Number.MAX_SAFE_INTEGER) / LOG_GROWTH);
/** Room for neighbours on either side, so that not every new value moves the array. */
const SLACK = 24;

/**
 * A distribution of durations in logarithmic buckets. Plain data and functions, because a report holds tens of
 * thousands of them: one that has been merged from a single encoded one stays encoded.
 */
export interface Histogram {
  /** The only content, as long as nothing is added to it. */
  encoded: Uint8Array | null;
  /** The bucket that `counts` begins with. */
  first: number;
  counts: Float64Array;
}

/** Below 50 us a bucket holds at most one whole number and rounding finds it; above, rounding adds less than 1 %. */
const MIDDLES = Float64Array.from({ length: BUCKETS }, (_, bucket) =>
  bucket === 0 ? 0 : Math.round(GROWTH ** (bucket - 0.5)),
);

/** Room for any histogram while it is encoded. */
const scratch = new Uint8Array(BUCKETS * 2 * MAX_VARINT);

const NOTHING = new Float64Array(0);
const EMPTY = new Uint8Array(0);

/** An empty histogram. */
export function createHistogram(): Histogram {
  return { encoded: null, first: 0, counts: NOTHING };
}

/** Makes a histogram empty again. */
export function clearHistogram(histogram: Histogram): void {
  histogram.encoded = null;
  histogram.counts = NOTHING;
}

/** Counts one value: a whole number of microseconds, not negative. */
export function addValue(histogram: Histogram, value: number): void {
  open(histogram);
  put(histogram, value < 1 ? 0 : 1 + Math.floor(Math.log(value) / LOG_GROWTH), 1);
}

/** Adds every value of an encoded histogram. The bytes must not change afterwards. */
export function mergeEncoded(histogram: Histogram, encoded: Uint8Array): void {
  if (encoded.length === 0) return;
  if (histogram.encoded === null && histogram.counts.length === 0) {
    histogram.encoded = encoded;
    return;
  }
  open(histogram);
  putAll(histogram, encoded);
}

/** Adds every value of another histogram. */
export function mergeHistogram(histogram: Histogram, other: Histogram): void {
  if (other.encoded !== null) {
    mergeEncoded(histogram, other.encoded);
    return;
  }
  open(histogram);
  const { first, counts } = other;
  for (let position = 0; position < counts.length; position += 1) {
    const times = counts[position] ?? 0;
    if (times > 0) put(histogram, first + position, times);
  }
}

/** How many values an encoded histogram has. */
export function countEncoded(encoded: Uint8Array): number {
  let count = 0;
  for (const pairs = pairsOf(encoded); advance(pairs); ) count += pairs.right;
  return count;
}

/**
 * Finds the values at the ranks `ceil(fraction * count)`, to a whole microsecond and within 2 %, and hands them out in
 * turn. Fractions are in (0, 1] and ascend; `count` is how many values there are, and not 0.
 */
export function findPercentiles(
  { encoded, first, counts }: Histogram,
  count: number,
  fractions: readonly number[],
  found: (value: number, position: number) => void,
): void {
  const pairs = pairsOf(encoded ?? EMPTY);
  let place = 0;
  let bucket = encoded === null ? first - 1 : 0;
  let seen = 0;
  for (const [position, fraction] of fractions.entries()) {
    const rank = Math.max(1, Math.ceil(fraction * count));
    while (seen < rank) {
      if (encoded === null) {
        if (place >= counts.length) return;
        bucket += 1;
        seen += counts[place++] ?? 0;
      } else {
        if (!advance(pairs)) return;
        bucket += pairs.left;
        seen += pairs.right;
      }
    }
    found(MIDDLES[bucket] ?? Number.MAX_SAFE_INTEGER, position);
  }
}

/** Pairs of the distance from the bucket before and the count: equal histograms have equal bytes. */
export function encodeHistogram({ encoded, first, counts }: Histogram): Uint8Array {
  if (encoded !== null) return encoded;
  let end = 0;
  let previous = 0;
  for (let position = 0; position < counts.length; position += 1) {
    const times = counts[position] ?? 0;
    if (times === 0) continue;
    end = writeVarint(scratch, end, first + position - previous);
    end = writeVarint(scratch, end, times);
    previous = first + position;
  }
  return scratch.slice(0, end);
}

function open(histogram: Histogram): void {
  const { encoded } = histogram;
  if (encoded === null) return;
  histogram.encoded = null;
  putAll(histogram, encoded);
}

function putAll(histogram: Histogram, encoded: Uint8Array): void {
  let bucket = 0;
  for (const pairs: Pairs = pairsOf(encoded); advance(pairs); ) {
    bucket += pairs.left;
    put(histogram, bucket, pairs.right);
  }
}

function put(histogram: Histogram, bucket: number, times: number): void {
  if (bucket < histogram.first || bucket >= histogram.first + histogram.counts.length)
    reach(histogram, bucket);
  const position = bucket - histogram.first;
  histogram.counts[position] = (histogram.counts[position] ?? 0) + times;
}

/** The first value gets no room around it: most histograms of a batch have one. */
function reach(histogram: Histogram, bucket: number): void {
  const { first, counts } = histogram;
  if (counts.length === 0) {
    histogram.first = bucket;
    histogram.counts = new Float64Array(1);
    return;
  }
  const slack = SLACK + counts.length;
  const start = bucket < first ? Math.max(0, bucket - slack) : first;
  const end = bucket < first ? first + counts.length : bucket + slack;
  histogram.counts = new Float64Array(end - start);
  histogram.counts.set(counts, first - start);
  histogram.first = start;
}
