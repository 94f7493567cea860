import type { Path, Problems } from './problems.js';
import type { LimitsOptions, ProviderOptions } from './schema.js';
import { positiveTimer } from './timer.js';
import type { BreakerConfig, LimitsConfig } from './types.js';

const BREAKER: BreakerConfig = { failures: 5, windowMs: 60_000, openMs: 30_000 };

/** Limits as written, with null for each that is not; null when there is none. */
export function completeLimits(options: LimitsOptions | undefined): LimitsConfig | null {
  if (options === undefined || Object.keys(options).length === 0) return null;
  return {
    requestsPerMinute: options.requestsPerMinute ?? null,
    tokensPerMinute: options.tokensPerMinute ?? null,
    requestsPerHour: options.requestsPerHour ?? null,
    tokensPerHour: options.tokensPerHour ?? null,
    requestsPerDay: options.requestsPerDay ?? null,
    tokensPerDay: options.tokensPerDay ?? null,
    concurrency: options.concurrency ?? null,
  };
}

/** A provider's breaker with the defaults filled in; null when it is turned off. */
export function completeBreaker(
  options: ProviderOptions['breaker'],
  path: Path,
  problems: Problems,
): BreakerConfig | null {
  if (options === false) return null;
  return {
    failures: options?.failures ?? BREAKER.failures,
    windowMs: positiveTimer(options?.window, BREAKER.windowMs, [...path, 'window'], problems),
    openMs: positiveTimer(options?.open, BREAKER.openMs, [...path, 'open'], problems),
  };
}
