export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** How far back statistics are known to the minute; before that, to the hour. */
export const MINUTES_KEPT_MS = 48 * HOUR_MS;

/** Minutes are stored somewhat longer, because the hour in which the 48 hours began is read by its minutes too. */
export const MINUTES_STORED_MS = MINUTES_KEPT_MS + 2 * HOUR_MS;

/** The start of the span of `step` milliseconds that holds an instant. Epoch milliseconds, UTC. */
export function floorTo(step: number, instant: number): number {
  return Math.floor(instant / step) * step;
}

/** The start of the first span that begins at or after an instant. */
export function ceilTo(step: number, instant: number): number {
  return Math.ceil(instant / step) * step;
}
