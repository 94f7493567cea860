/** Neighbouring buckets grow by 2 %, so a bucket's middle is within 1 % of every value in it. */
const GROWTH = 1.02;
const LOG_GROWTH = Math.log(GROWTH);

/** A distribution of durations in logarithmic buckets, small enough to store one per rollup row. */
export interface Histogram {
  /** Counts one value: a whole number of microseconds, not negative. */
  add(value: number): void;
  /** Adds every value of an encoded histogram. */
  merge(encoded: Uint8Array): void;
  /** How many values were added. */
  readonly count: number;
  /**
   * The value at rank `ceil(fraction * count)`, to a whole microsecond and within 2 %; null when empty.
   * `fraction` is in (0, 1].
   */
  percentile(fraction: number): number | null;
  /** Sparse and canonical: equal histograms have equal bytes. */
  encode(): Buffer;
}

/** An empty histogram. */
export function createHistogram(): Histogram {
  const buckets = new Map<number, number>();
  let count = 0;

  const put = (bucket: number, times: number) => {
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + times);
    count += times;
  };
  const sorted = () => [...buckets].sort(([left], [right]) => left - right);

  return {
    add: (value) => put(bucketOf(value), 1),
    merge: (encoded) => decode(encoded, put),
    get count() {
      return count;
    },
    percentile(fraction) {
      if (count === 0) return null;
      let rank = Math.max(1, Math.ceil(fraction * count));
      let value = 0;
      for (const [bucket, times] of sorted()) {
        value = middleOf(bucket);
        rank -= times;
        if (rank <= 0) break;
      }
      return value;
    },
    encode: () => encode(sorted()),
  };
}

function bucketOf(value: number): number {
  return value < 1 ? 0 : 1 + Math.floor(Math.log(value) / LOG_GROWTH);
}

/** Below 50 us a bucket holds at most one whole number and rounding finds it; above, rounding adds less than 1 %. */
function middleOf(bucket: number): number {
  return bucket === 0 ? 0 : Math.round(GROWTH ** (bucket - 0.5));
}

/** Pairs of varints: the distance from the bucket before, and the count. */
function encode(sorted: [bucket: number, times: number][]): Buffer {
  const bytes: number[] = [];
  let previous = 0;
  for (const [bucket, times] of sorted) {
    pushVarint(bytes, bucket - previous);
    pushVarint(bytes, times);
    previous = bucket;
  }
  return Buffer.from(bytes);
}

function decode(encoded: Uint8Array, put: (bucket: number, times: number) => void): void {
  let bucket = 0;
  let distance: number | null = null;
  let value = 0;
  let scale = 1;
  for (const byte of encoded) {
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte >= 0x80) continue;
    if (distance === null) {
      distance = value;
    } else {
      bucket += distance;
      put(bucket, value);
      distance = null;
    }
    value = 0;
    scale = 1;
  }
}

/** Arithmetic instead of shifts: a count may pass 32 bits. */
function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
}
