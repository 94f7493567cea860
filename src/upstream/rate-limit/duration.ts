const SECOND_MS = 1_000;
/** A minute in milliseconds. */
export const MINUTE_MS = 60 * SECOND_MS;
/** An hour in milliseconds. */
export const HOUR_MS = 60 * MINUTE_MS;
/** A day in milliseconds. */
export const DAY_MS = 24 * HOUR_MS;

/** Quotas may be for a month. What is farther away is a mistake, and must not shut a target out. */
const FARTHEST_MS = 32 * DAY_MS;

/** Bare numbers from here on are epochs: 10^9 s is 2001, and as a duration it would be 31 years. */
const EPOCH_SECONDS_FROM = 1e9;
/** 10^11 ms is 1973, and as seconds the year 5138. */
const EPOCH_MS_FROM = 1e11;

const bareNumber = /^\d+(?:\.\d+)?$/;
/** A weekday, as all three forms of an HTTP date begin, or an ISO date: `Date.parse` takes `soon 5` for a date too. */
const dateStart = /^\s*(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? |\d{4}-\d\d-\d\dT)/i;
/** Without a zone `Date.parse` would read an ISO date in this machine's. */
const isoWithoutZone = /T[\d:.]+\s*$/;

/** One part of a duration: `1m`, `7.66s`, `12 seconds`. A unit ends where its letters end: `5 months` is none. */
const part =
  /[\s,]*(?:and\s+)?(\d+(?:\.\d+)?)\s?(ns|[uµμ]s|ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-zµμ])/iy;

const unitMs: Readonly<Record<string, number>> = {
  n: 1e-6,
  u: 1e-3,
  µ: 1e-3,
  μ: 1e-3,
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
};

function unitOf(name: string): number {
  const unit = name.toLowerCase();
  if (unit === 'ms' || unit.startsWith('milli')) return 1;
  return unitMs[unit.charAt(0)] ?? Number.NaN;
}

/**
 * The duration that `text` has at `start`, in milliseconds: Go's form (`1m30s`, `6m0s`, `120ms`), with days, or in
 * words (`1 minute and 5 seconds`). What follows it is not looked at. Null when there is none.
 */
export function durationAt(text: string, start: number): { ms: number; end: number } | null {
  let ms = 0;
  let end = start;
  for (;;) {
    part.lastIndex = end;
    const found = part.exec(text);
    if (found === null) break;
    ms += Number(found[1]) * unitOf(found[2] ?? '');
    end = part.lastIndex;
  }
  return end === start || !Number.isFinite(ms) ? null : { ms, end };
}

/** An HTTP date (RFC 9110, 5.6.7) or an ISO 8601 one as epoch milliseconds; null when it is neither. */
export function dateMs(text: string): number | null {
  if (!dateStart.test(text)) return null;
  const date = Date.parse(isoWithoutZone.test(text) ? `${text.trim()}Z` : text);
  return Number.isNaN(date) ? null : date;
}

/**
 * When a limit is whole again, epoch milliseconds, from what a reset header says at `now`: a duration, seconds, epoch
 * seconds, epoch milliseconds, an HTTP date or an ISO one. Bare numbers are told apart by their size. A moment in
 * the past is `now`; null when the value means nothing, or a moment more than 32 days away.
 */
export function resetAt(value: string, now: number): number | null {
  const at = instant(value.trim(), now);
  if (at === null || at - now > FARTHEST_MS) return null;
  return Math.max(now, Math.ceil(at));
}

function instant(text: string, now: number): number | null {
  if (bareNumber.test(text)) {
    const number = Number(text);
    if (number >= EPOCH_MS_FROM) return number;
    return number >= EPOCH_SECONDS_FROM ? number * SECOND_MS : now + number * SECOND_MS;
  }
  const duration = durationAt(text, 0);
  if (duration !== null) return duration.end === text.length ? now + duration.ms : null;
  return dateMs(text);
}
