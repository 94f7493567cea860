import { createBoundedMap } from './bounded.js';

/**
 * How long targets need to their first content, in milliseconds. `kind` sets requests apart that cannot be compared,
 * streams and whole answers for instance. Times are epoch milliseconds.
 */
export interface Speeds {
  /**
   * What to expect of targets now. It fades with the time since a target was last asked, so that the slow are asked
   * again; 0 for one that was never asked, infinity for one that has not answered its first request yet.
   */
  expected(kind: string, now: number): (target: string) => number;
  /** The 95th percentile of the last 64 times; null while there are fewer than 20. */
  percentile95(kind: string, target: string): number | null;
  /** A target is about to be asked. Until it answers, it looks no faster than it was: one request explores, not all. */
  asked(kind: string, target: string, now: number): void;
  /** A target gave its first content after so long. */
  answered(kind: string, target: string, ms: number, now: number): void;
  /** After so long a target had given nothing yet, when another was faster: what it needs is more than that. */
  outrun(kind: string, target: string, ms: number, now: number): void;
  /** A target failed after so long. */
  failed(kind: string, target: string, ms: number, now: number): void;
}

/** Time after which a new measurement counts for two thirds: as fast as providers get slow. */
const MEMORY_MS = 30_000;
/** Every measurement counts for this much at least. */
const MIN_SHARE = 0.05;
/** What is known of a target that nobody asks is worth half after this time. */
const FADE_MS = 300_000;
/** So long the first answer of a target is awaited before another request tries it. */
const PATIENCE_MS = 10_000;
/** No answer is worse than a slow one. */
const FAILED_MS = 10_000;
const SAMPLES = 64;
const ENOUGH_SAMPLES = 20;
const MAX_KINDS = 50;
const MAX_TARGETS = 5000;

interface Speed {
  ms: number | null;
  measuredAt: number;
  askedAt: number;
  samples: number[];
  next: number;
}

/** An empty memory. */
export function createSpeeds(): Speeds {
  const kinds = createBoundedMap(MAX_KINDS, () => createBoundedMap(MAX_TARGETS, unknownSpeed));

  function measured(speed: Speed, ms: number, now: number): void {
    const share = Math.max(MIN_SHARE, 1 - Math.exp((speed.measuredAt - now) / MEMORY_MS));
    speed.ms = speed.ms === null ? ms : speed.ms + share * (ms - speed.ms);
    speed.measuredAt = now;
  }

  function took(kind: string, target: string, ms: number, now: number): void {
    const speed = kinds.obtain(kind).obtain(target);
    measured(speed, ms, now);
    speed.samples[speed.next] = ms;
    speed.next = (speed.next + 1) % SAMPLES;
  }

  return {
    expected(kind, now) {
      const speeds = kinds.get(kind);
      return (target) => {
        const speed = speeds?.get(target);
        return speed === undefined ? 0 : expectation(speed, now);
      };
    },
    percentile95(kind, target) {
      const samples = kinds.get(kind)?.get(target)?.samples ?? [];
      if (samples.length < ENOUGH_SAMPLES) return null;
      return [...samples].sort((one, other) => one - other)[Math.ceil(samples.length * 0.95) - 1] ?? null;
    },
    asked(kind, target, now) {
      kinds.obtain(kind).obtain(target).askedAt = now;
    },
    answered: took,
    outrun(kind, target, ms, now) {
      // That it needs more than less than it needs is no news.
      if (ms > (kinds.get(kind)?.get(target)?.ms ?? 0)) took(kind, target, ms, now);
    },
    failed(kind, target, ms, now) {
      measured(kinds.obtain(kind).obtain(target), Math.max(ms, FAILED_MS), now);
    },
  };
}

function expectation({ ms, measuredAt, askedAt }: Speed, now: number): number {
  if (ms === null) return now - askedAt < PATIENCE_MS ? Number.POSITIVE_INFINITY : 0;
  const idle = now - Math.max(measuredAt, askedAt);
  // Never as fast as one that was not asked yet, which is to be tried.
  return Math.max(Number.EPSILON, idle <= 0 ? ms : ms * 2 ** (-idle / FADE_MS));
}

function unknownSpeed(): Speed {
  const never = Number.NEGATIVE_INFINITY;
  return { ms: null, measuredAt: never, askedAt: never, samples: [], next: 0 };
}
