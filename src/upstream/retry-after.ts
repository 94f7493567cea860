/** Bounds of every cooldown, milliseconds: what an upstream says beyond them is not believed. */
export const MIN_COOLDOWN_MS = 1_000;
export const MAX_COOLDOWN_MS = 3_600_000;

type Headers = Record<string, string | string[] | undefined>;

/**
 * How long an upstream asks to be left alone, in milliseconds from `now` (epoch ms), clamped to [1 s, 1 h].
 * Reads `retry-after-ms` and `retry-after` as seconds or as an HTTP date (RFC 9110, 10.2.3); null when neither
 * says anything usable.
 */
export function retryAfterMs(headers: Headers, now: number): number | null {
  const ms = milliseconds(headers['retry-after-ms'], 1) ?? milliseconds(headers['retry-after'], 1000);
  const wait = ms ?? untilDate(headers['retry-after'], now);
  return wait === null ? null : clampCooldown(wait);
}

/** A cooldown within the bounds. */
export function clampCooldown(ms: number): number {
  return Math.min(MAX_COOLDOWN_MS, Math.max(MIN_COOLDOWN_MS, Math.ceil(ms)));
}

function milliseconds(value: string | string[] | undefined, unit: number): number | null {
  if (typeof value !== 'string' || !/^\s*\d+(\.\d+)?\s*$/.test(value)) return null;
  return Number(value) * unit;
}

/** A weekday, as all three forms of an HTTP date begin, or an ISO date: `Date.parse` takes `soon 5` for a date too. */
const dateStart = /^\s*(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? |\d{4}-\d\d-\d\dT)/i;

function untilDate(value: string | string[] | undefined, now: number): number | null {
  if (typeof value !== 'string' || !dateStart.test(value)) return null;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : date - now;
}
