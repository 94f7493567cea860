import type { Quota } from '../../routing/quota.js';
import type { ProviderType } from '../presets.js';
import { hintedMs, readErrorBody } from './body.js';
import { countOf } from './count.js';
import { dialects, type HeaderRow, openrouterRows } from './dialects.js';
import { resetAt } from './duration.js';
import { type Cooldown, cooldown, type Headers, retryAfter } from './retry-after.js';
import { structuredQuotas } from './structured.js';

const nothing: readonly Quota[] = [];

/**
 * What an answer's headers say of the provider's limits at `now` (epoch ms), in the dialect of its type. Only what is
 * said: a limit without numbers is left out, and a missing number is null.
 *
 * @example
 * readQuotas('groq', { 'x-ratelimit-remaining-tokens': '17997', 'x-ratelimit-reset-tokens': '7.66s' }, 0);
 * // [{ resource: 'tokens', windowMs: 60_000, limit: null, remaining: 17997, resetAt: 7660,
 * //    source: 'x-ratelimit-remaining-tokens' }]
 */
export function readQuotas(type: ProviderType, headers: Headers, now: number): readonly Quota[] {
  const { rows, structured } = dialects[type];
  let quotas: Quota[] | null = null;
  for (const row of rows) {
    // Reached for every exchange, and most answers have none of these.
    if (headers[row.remaining] === undefined && headers[row.limit] === undefined) continue;
    const quota = quotaOf(row, headers, now);
    if (quota === null) continue;
    if (quotas === null) quotas = [quota];
    else quotas.push(quota);
  }
  const state = structured ? headers.ratelimit : undefined;
  if (typeof state !== 'string') return quotas ?? nothing;
  const policy = headers['ratelimit-policy'];
  return [...(quotas ?? nothing), ...structuredQuotas(state, typeof policy === 'string' ? policy : '', now)];
}

/**
 * What an error body says of limits, for those that say it there: OpenRouter repeats its headers in it, Google lists
 * the quotas that are used up. `now` is epoch milliseconds.
 */
export function readBodyQuotas(body: Buffer, now: number): readonly Quota[] {
  const { headers, quotas } = readErrorBody(body, now);
  for (const row of openrouterRows) {
    const quota = quotaOf(row, headers, now);
    if (quota !== null) quotas.push({ ...quota, source: 'body' });
  }
  return quotas;
}

/**
 * How long a provider that refused wants to be left alone. The first of these that says it: `retry-after-ms`,
 * `retry-after`, the limits that are used up (the last of their resets), the error's text, and a reset that comes
 * without a remaining count. Null when nothing says it.
 */
export function readCooldown(
  type: ProviderType,
  headers: Headers,
  body: Buffer | null,
  now: number,
): Cooldown | null {
  const asked = retryAfter(headers, now);
  if (asked !== null) return asked;
  const quotas = readQuotas(type, headers, now);
  const used = usedUp(body === null ? quotas : [...quotas, ...readBodyQuotas(body, now)], now);
  if (used !== null) return cooldown(used.at - now, resetName(type, used.source));
  const hinted = body === null ? null : hintedMs(body);
  return hinted === null ? loneReset(type, headers, now) : cooldown(hinted, 'body');
}

function quotaOf(row: HeaderRow, headers: Headers, now: number): Quota | null {
  const remaining = countOf(headers[row.remaining]);
  const limit = countOf(headers[row.limit]);
  if (remaining === null && limit === null) return null;
  const reset = headers[row.reset];
  return {
    resource: row.resource,
    windowMs: row.windowMs,
    limit,
    remaining,
    resetAt: typeof reset === 'string' ? resetAt(reset, now) : null,
    source: remaining === null ? row.limit : row.remaining,
  };
}

/** The limit without anything left whose reset comes last. A reset that is not ahead says nothing. */
function usedUp(quotas: readonly Quota[], now: number): { at: number; source: string } | null {
  let last: { at: number; source: string } | null = null;
  for (const { remaining, resetAt: at, source } of quotas) {
    if (remaining !== 0 || at === null || at <= now) continue;
    if (last === null || at > last.at) last = { at, source };
  }
  return last;
}

/** The header that told of the reset, next to the one that told of the count. */
function resetName(type: ProviderType, source: string): string {
  return dialects[type].rows.find(({ remaining }) => remaining === source)?.reset ?? source;
}

/**
 * Resets without counts: one of them is meant, and nothing says which. The first is taken, because too short a
 * cooldown costs one more refusal, and too long a one a target.
 */
function loneReset(type: ProviderType, headers: Headers, now: number): Cooldown | null {
  let first: { at: number; source: string } | null = null;
  for (const { remaining, reset } of dialects[type].rows) {
    const value = headers[reset];
    if (headers[remaining] !== undefined || typeof value !== 'string') continue;
    const at = resetAt(value, now);
    if (at !== null && at > now && (first === null || at < first.at)) first = { at, source: reset };
  }
  return first === null ? null : cooldown(first.at - now, first.source);
}
