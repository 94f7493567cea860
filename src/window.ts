import type { Window } from './db/reports.js';
import { ceilTo, DAY_MS, floorTo, HOUR_MS, MINUTE_MS, MINUTES_KEPT_MS } from './db/spans.js';

/** A query parameter that cannot be understood; the message names it and says what would do. */
export class QueryError extends Error {
  override readonly name = 'QueryError';

  /** `param` is the parameter at fault. */
  constructor(
    readonly param: string,
    message: string,
  ) {
    super(message);
  }
}

const SPAN_MS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', DAY_MS],
  ['w', 7 * DAY_MS],
]);
/** What `Date` can show; beyond the 48 bits of a UUIDv7's clock there are no exchanges anyway. */
const LAST_INSTANT = Date.UTC(9999, 11, 31);

/**
 * An instant in epoch milliseconds, from ISO 8601 (UTC unless it says otherwise), epoch milliseconds,
 * or a span back from `now` such as `24h`, `30m`, `7d`. Throws `QueryError`.
 */
export function parseInstant(name: string, text: string, now: number): number {
  const instant = fromSpan(text, now) ?? fromEpoch(text) ?? fromIso(text);
  if (instant === null || instant > LAST_INSTANT) {
    throw new QueryError(
      name,
      `${name} must be an ISO 8601 instant, epoch milliseconds, or a span such as 24h, got ${JSON.stringify(text)}`,
    );
  }
  return Math.max(0, instant);
}

/**
 * The window between two instants: by default the last 24 hours, the present millisecond included.
 * Throws `QueryError`.
 */
export function parseWindow(since: string | undefined, until: string | undefined, now: number): Window {
  const window = {
    since: parseInstant('since', since ?? '24h', now),
    until: until === undefined ? now + 1 : parseInstant('until', until, now),
  };
  requireOrder(window);
  return window;
}

/** The points of a time series by name, in milliseconds. They begin at multiples of their length, UTC. */
const INTERVALS = new Map([
  ['minute', MINUTE_MS],
  ['1m', MINUTE_MS],
  ['5m', 5 * MINUTE_MS],
  ['15m', 15 * MINUTE_MS],
  ['hour', HOUR_MS],
  ['1h', HOUR_MS],
  ['6h', 6 * HOUR_MS],
  ['day', DAY_MS],
  ['1d', DAY_MS],
]);
const MAX_POINTS = 10_000;

/** The length of a point of a time series in milliseconds. Throws `QueryError`. */
export function parseInterval(text: string): number {
  const step = INTERVALS.get(text);
  if (step !== undefined) return step;
  const names = [...INTERVALS.keys()].join(', ');
  throw new QueryError('interval', `interval must be one of ${names}, got ${JSON.stringify(text)}`);
}

/**
 * A window widened to what statistics are kept by: whole minutes within the last 48 hours, whole hours before, and
 * whole points of a time series. Throws `QueryError` when there would be too many points, or points that are shorter
 * than what is known.
 */
export function alignWindow(window: Window, now: number, step?: number): Window {
  const minutesSince = now - MINUTES_KEPT_MS;
  if (step !== undefined && step < HOUR_MS && window.since < floorTo(step, minutesSince)) {
    throw new QueryError(
      'interval',
      'interval must be an hour or longer when since is more than 48 hours ago',
    );
  }
  const unitAt = (instant: number) => step ?? (instant >= minutesSince ? MINUTE_MS : HOUR_MS);
  const aligned = {
    since: floorTo(unitAt(window.since), window.since),
    until: ceilTo(unitAt(window.until), window.until),
  };
  if (step !== undefined && (aligned.until - aligned.since) / step > MAX_POINTS) {
    throw new QueryError(
      'interval',
      `interval gives more than ${MAX_POINTS} points: choose a longer one, or a shorter window`,
    );
  }
  return aligned;
}

/** Throws `QueryError` unless the window has a length. */
export function requireOrder({ since, until }: Window): void {
  if (since >= until) throw new QueryError('since', 'since must be before until');
}

function fromSpan(text: string, now: number): number | null {
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d|w)$/.exec(text) ?? [];
  const scale = SPAN_MS.get(unit ?? '');
  return amount === undefined || scale === undefined ? null : now - Number(amount) * scale;
}

function fromEpoch(text: string): number | null {
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function fromIso(text: string): number | null {
  const pattern = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+\- ]\d\d:\d\d)?)?$/;
  const [, year, month, day, time, zone] = pattern.exec(text) ?? [];
  if (!year || !month || !day || Number(day) > daysIn(Number(year), Number(month))) return null;
  // A "+" that was not percent-encoded in the URL arrives as a space.
  const instant = Date.parse(`${year}-${month}-${day}T${time ?? '00:00'}${zone?.replace(' ', '+') ?? 'Z'}`);
  return Number.isNaN(instant) ? null : instant;
}

/** `Date.parse` takes the 31st of February for the 3rd of March. */
function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}
