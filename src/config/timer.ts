import type { Path, Problems } from './problems.js';
import type { DurationOption } from './schema.js';
import { MAX_TIMER, parseDuration } from './units.js';

/** Integer milliseconds of a duration that a timer will wait for. */
export function timer(
  option: DurationOption | undefined,
  fallback: number,
  path: Path,
  problems: Problems,
): number {
  if (option === undefined) return fallback;
  const value = typeof option === 'number' ? option : (parseDuration(option) ?? Number.NaN);
  if (value <= MAX_TIMER) return value;
  problems.add(path, `must be at most ${MAX_TIMER}ms (about 24 days), the longest a timer can wait`);
  return fallback;
}

/** The same, where waiting for no time makes no sense. */
export function positiveTimer(
  option: DurationOption | undefined,
  fallback: number,
  path: Path,
  problems: Problems,
): number {
  const value = timer(option, fallback, path, problems);
  if (value === 0) problems.add(path, 'must be longer than 0');
  return value;
}
