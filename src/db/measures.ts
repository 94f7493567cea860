import type { Point } from './cell.js';
import { findPercentiles } from './histogram.js';
import { type Figure, figure, plus } from './sums.js';
import { toMs } from './units.js';

const FRACTIONS = [0.5, 0.9, 0.95, 0.99] as const;
const NAMES = ['p50', 'p90', 'p95', 'p99'] as const;

/** Percentiles of durations, in milliseconds. */
export function percentilesMs(point: Point, of: 'total' | 'firstContent') {
  const percentiles: Record<(typeof NAMES)[number], number | null> = {
    p50: null,
    p90: null,
    p95: null,
    p99: null,
  };
  eachPercentileMs(point, of, (name, value) => {
    percentiles[name] = value;
  });
  return percentiles;
}

/** The same one by one; not at all when there is no duration. */
export function eachPercentileMs(
  point: Point,
  of: 'total' | 'firstContent',
  each: (name: (typeof NAMES)[number], ms: number | null) => void,
): void {
  const count = figure(point.figures, `${of}Known`) ?? 0;
  if (count === 0) return;
  findPercentiles(point[of], count, FRACTIONS, (us, position) => each(NAMES[position] ?? 'p99', toMs(us)));
}

/** The mean duration of the exchanges whose duration is known, in milliseconds. */
export function averageMs({ figures }: Point): number | null {
  return toMs(share(figure(figures, 'totalUs'), figure(figures, 'totalKnown')));
}

/** Failed and truncated exchanges over all. */
export function errorRateOf(point: Point): number | null {
  return share(sumOf(point, ['failed', 'truncated']), figure(point.figures, 'exchanges'));
}

/** Output tokens of streams per second. */
export function speedOf({ figures }: Point): number | null {
  const perMicrosecond = share(figure(figures, 'streamedTokens'), figure(figures, 'streamedUs'));
  return perMicrosecond === null ? null : Math.round(perMicrosecond * 1e9) / 1e3;
}

/** The sum of those that are known. */
export function sumOf({ figures }: Point, names: readonly Figure[]): number | null {
  let sum: number | null = null;
  for (const name of names) sum = plus(sum, figure(figures, name));
  return sum;
}

/** Null when there is nothing to have a share of. */
export function share(part: number | null, whole: number | null): number | null {
  return part === null || whole === null || whole === 0 ? null : part / whole;
}
