import type { Quota } from '../../routing/quota.js';
import { countOf } from './count.js';
import { DAY_MS, durationAt, MINUTE_MS, resetAt } from './duration.js';
import { nextPacificMidnight } from './pacific.js';
import type { Headers } from './retry-after.js';

/** The hints stand at the beginning of short bodies; some upstreams repeat the whole request in theirs. */
const MAX_READ_BYTES = 64 * 1024;

type Json = Record<string, unknown>;

/** What an error body says, as far as it is JSON. */
export interface ErrorBody {
  /** OpenRouter repeats its rate-limit headers as `error.metadata.headers`; names in lower case. */
  headers: Headers;
  /** Google's `QuotaFailure` among `error.details`: the limits that are used up. */
  quotas: Quota[];
}

/** Reads the structured part of an error body at `now` (epoch ms). */
export function readErrorBody(body: Buffer, now: number): ErrorBody {
  const error = errorOf(body);
  const metadata = objectOf(error?.metadata);
  return { headers: stringsOf(objectOf(metadata?.headers)), quotas: googleQuotas(error?.details, now) };
}

/** Gemini's OpenAI endpoint wraps the error in a list of one. */
function errorOf(body: Buffer): Json | null {
  if (body.length > MAX_READ_BYTES) return null;
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    const whole = objectOf(Array.isArray(parsed) ? parsed[0] : parsed);
    return objectOf(whole?.error);
  } catch {
    return null;
  }
}

function stringsOf(headers: Json | null): Headers {
  const found: Headers = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (typeof value === 'string' || typeof value === 'number') found[name.toLowerCase()] = String(value);
  }
  return found;
}

/**
 * google.rpc.QuotaFailure and google.rpc.RetryInfo
 * (https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto). A quota's id names what it
 * counts and for how long: `GenerateRequestsPerDayPerProjectPerModel-FreeTier`,
 * `GenerateContentInputTokensPerModelPerMinute-FreeTier`.
 */
function googleQuotas(details: unknown, now: number): Quota[] {
  if (!Array.isArray(details)) return [];
  const items = details.map(objectOf).filter((item) => item !== null);
  const delay = items.find((item) => isType(item, 'RetryInfo'))?.retryDelay;
  const minuteEnd = typeof delay === 'string' ? resetAt(delay, now) : null;
  return items
    .filter((item) => isType(item, 'QuotaFailure'))
    .flatMap((item) => (Array.isArray(item.violations) ? item.violations : []))
    .map((violation) => googleQuota(objectOf(violation), minuteEnd, now))
    .filter((quota) => quota !== null);
}

function isType(item: Json, name: string): boolean {
  return typeof item['@type'] === 'string' && item['@type'].endsWith(`google.rpc.${name}`);
}

function googleQuota(violation: Json | null, minuteEnd: number | null, now: number): Quota | null {
  const { quotaId, quotaValue } = violation ?? {};
  if (typeof quotaId !== 'string') return null;
  const resource = /token/i.test(quotaId) ? 'tokens' : /request/i.test(quotaId) ? 'requests' : null;
  if (resource === null) return null;
  const daily = quotaId.includes('PerDay');
  return {
    resource,
    windowMs: daily ? DAY_MS : quotaId.includes('PerMinute') ? MINUTE_MS : null,
    limit: typeof quotaValue === 'string' ? countOf(quotaValue) : null,
    remaining: 0,
    // "Requests per day (RPD) quotas reset at midnight Pacific time": https://ai.google.dev/gemini-api/docs/rate-limits.
    // The retry delay that comes along is of the next minute, and would lead to a 429 each time.
    resetAt: daily ? nextPacificMidnight(now) : minuteEnd,
    source: 'body',
  };
}

function objectOf(value: unknown): Json | null {
  return isObject(value) ? value : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where a duration begins. Quotes may be escaped: gateways put one error into another as a string. */
const hints: readonly RegExp[] = [
  // google.rpc.RetryInfo: "retryDelay": "34s".
  /retryDelay\\*"\s*:\s*\\*"/g,
  // OpenAI and Groq "Please try again in 1m30.5s", Azure "Please retry after 12 seconds", Gemini "Please retry in 45.57s".
  /\b(?:try(?:ing)?\s+again|retry(?:ing)?|wait(?:ing)?)\s+(?:(?:after|in|for|at least|about)\s+)*/gi,
];

/** Seconds, or milliseconds, as a number: `"retry_after": 12`. */
const numericHint = /"retry_after(_ms|_seconds)?\\*"\s*:\s*\\*"?(\d+(?:\.\d+)?)[\s,}"\\]/;

/** How long the text of an error body asks to wait, milliseconds; null when it does not say. */
export function hintedMs(body: Buffer): number | null {
  const text = body.toString('utf8', 0, MAX_READ_BYTES);
  for (const hint of hints) {
    for (const found of text.matchAll(hint)) {
      const duration = durationAt(text, found.index + found[0].length);
      if (duration !== null) return duration.ms;
    }
  }
  const found = numericHint.exec(text);
  return found === null ? null : Number(found[2]) * (found[1] === '_ms' ? 1 : 1000);
}
