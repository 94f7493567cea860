/** Durations in log-linear buckets, 128 for each power of two of microseconds: nothing is off by more than 0.8 %. */
export interface Histogram {
  record(ms: number): void;
  /** Milliseconds below which the share `at` (0 to 1) lies; NaN when nothing was recorded. */
  quantile(at: number): number;
  readonly count: number;
  readonly max: number;
}

const BITS = 7;
const SUBS = 1 << BITS;
/** Up to 2^30 us, which is 18 minutes. */
const BUCKETS = (30 - BITS + 1) * SUBS;

export function createHistogram(): Histogram {
  const counts = new Uint32Array(BUCKETS);
  let count = 0;
  let max = 0;
  return {
    record(ms) {
      const index = bucketOf(Math.max(0, ms * 1000) | 0);
      counts[index] = (counts[index] ?? 0) + 1;
      count++;
      if (ms > max) max = ms;
    },
    quantile(at) {
      if (count === 0) return Number.NaN;
      let left = Math.max(1, Math.ceil(at * count));
      const index = counts.findIndex((here) => {
        left -= here;
        return left <= 0;
      });
      return middleOf(index) / 1000;
    },
    get count() {
      return count;
    },
    get max() {
      return max;
    },
  };
}

/** Values below 2 * SUBS have a bucket each; above, the leading bits say which. */
function bucketOf(us: number): number {
  if (us < 2 * SUBS) return us;
  const shift = 31 - Math.clz32(us) - BITS;
  return Math.min(BUCKETS - 1, (shift << BITS) + (us >> shift));
}

function middleOf(bucket: number): number {
  if (bucket < 2 * SUBS) return bucket;
  const shift = (bucket >> BITS) - 1;
  return (((bucket & (SUBS - 1)) | SUBS) + 0.5) * 2 ** shift;
}
