import { dateMs } from './duration.js';

/** Bounds of every cooldown, milliseconds: what an upstream says beyond them is not believed. */
export const MIN_COOLDOWN_MS = 1_000;
export const MAX_COOLDOWN_MS = 3_600_000;

/** Headers of an answer, names in lower case. */
export type Headers = Record<string, string | string[] | undefined>;

/** How long a provider asks to be left alone, and what says so: a header's name, or `body`. */
export interface Cooldown {
  /** Milliseconds from now, within [1 s, 1 h]. */
  forMs: number;
  source: string;
}

/**
 * What `retry-after-ms` (milliseconds) or `retry-after` asks for at `now` (epoch ms): seconds or an HTTP date
 * (RFC 9110, 10.2.3), or an ISO date. Null when neither says anything usable.
 */
export function retryAfter(headers: Headers, now: number): Cooldown | null {
  const ms = number(headers['retry-after-ms']);
  if (ms !== null) return cooldown(ms, 'retry-after-ms');
  const seconds = number(headers['retry-after']);
  if (seconds !== null) return cooldown(seconds * 1000, 'retry-after');
  const date = typeof headers['retry-after'] === 'string' ? dateMs(headers['retry-after']) : null;
  return date === null ? null : cooldown(date - now, 'retry-after');
}

/** A cooldown of `ms` milliseconds, kept within the bounds. */
export function cooldown(ms: number, source: string): Cooldown {
  const forMs = Math.min(MAX_COOLDOWN_MS, Math.max(MIN_COOLDOWN_MS, Math.ceil(ms)));
  return { forMs, source };
}

function number(value: string | string[] | undefined): number | null {
  return typeof value === 'string' && /^\s*\d+(\.\d+)?\s*$/.test(value) ? Number(value) : null;
}
