/** A count of what happened within the last while. It may forget late, by at most one bucket; never early. */
export interface SlidingCount {
  /** What happened within the window that ends at `now`. */
  total(now: number): number;
  add(now: number, amount: number): void;
  /** Takes back what was added at `at`, unless that is forgotten by now. */
  subtract(at: number, amount: number): void;
  /** When at least `amount` of what is counted will have been forgotten; null when less than that is counted. */
  forgottenAt(now: number, amount: number): number | null;
  /** What is counted, as pairs of a moment and an amount, oldest first. */
  entries(now: number): Entries;
  /** The same, of all that was counted last. */
  dump(): Entries;
  /** Counts what `dump` gave, and nothing else. */
  load(entries: Entries): void;
}

type Entries = [at: number, amount: number][];

/**
 * Counts in buckets, so that memory does not depend on what is counted: 8 bytes for each bucket of a window.
 * A bucket is forgotten when even its last millisecond is older than the window. All times are epoch milliseconds.
 * A clock that is set back by less than a window counts on at the last moment seen.
 */
export function createSlidingCount(windowMs: number, bucketMs: number): SlidingCount {
  const span = Math.ceil(windowMs / bucketMs);
  const size = span + 1;
  const counts = new Float64Array(size);
  let newest = 0;
  let sum = 0;

  const at = (bucket: number): number => counts[bucket % size] ?? 0;

  /** Forgets what is over. */
  function advance(now: number): void {
    const bucket = Math.floor(now / bucketMs);
    if (bucket > newest) {
      for (let next = Math.max(newest + 1, bucket - span); next <= bucket; next++) {
        sum -= at(next);
        counts[next % size] = 0;
      }
      newest = bucket;
    } else if (newest - bucket > span) {
      setBack(bucket);
    }
  }

  /** The clock was wrong before, or is now: what is counted stays as old as it was. */
  function setBack(bucket: number): void {
    const kept = Array.from({ length: size }, (_, age) => (age <= newest ? at(newest - age) : 0));
    counts.fill(0);
    for (const [age, amount] of kept.entries()) {
      if (age <= bucket) counts[(bucket - age) % size] = amount;
    }
    newest = bucket;
    sum = counts.reduce((total, amount) => total + amount, 0);
  }

  function add(now: number, amount: number): void {
    advance(now);
    counts[newest % size] = at(newest) + amount;
    sum += amount;
  }

  function dump(): Entries {
    const found: Entries = [];
    for (let bucket = Math.max(0, newest - span); bucket <= newest; bucket++) {
      if (at(bucket) > 0) found.push([bucket * bucketMs, at(bucket)]);
    }
    return found;
  }

  return {
    total(now) {
      advance(now);
      return sum;
    },
    add,
    subtract(when, amount) {
      const bucket = Math.floor(when / bucketMs);
      if (bucket > newest || newest - bucket > span) return;
      const taken = Math.min(amount, at(bucket));
      counts[bucket % size] = at(bucket) - taken;
      sum -= taken;
    },
    forgottenAt(now, amount) {
      advance(now);
      let forgotten = 0;
      for (let bucket = Math.max(0, newest - span); bucket <= newest; bucket++) {
        forgotten += at(bucket);
        if (forgotten >= amount) return (bucket + size) * bucketMs;
      }
      return null;
    },
    entries(now) {
      advance(now);
      return dump();
    },
    dump,
    load(entries) {
      counts.fill(0);
      newest = 0;
      sum = 0;
      for (const [when, amount] of entries) add(when, amount);
    },
  };
}
