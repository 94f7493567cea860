/** Why a target must not be used now. The words also stand in the records as reasons of skipped attempts. */
export type Obstacle =
  /** The provider answered 429. */
  | 'rate_limited'
  /** The provider refused the gateway's credential. */
  | 'quarantined'
  | 'payment_required'
  | 'model_missing'
  /** It failed too often. */
  | 'breaker_open'
  /** One of the configured limits is used up. */
  | 'limit_exhausted'
  /** The request alone is larger than a configured limit: waiting does not help. */
  | 'limit_too_small'
  /** As many calls are under way as are configured. */
  | 'concurrency_full'
  /** What the provider said is left does not suffice: sending would be answered by a 429. */
  | 'quota_exhausted';

/** What keeps a target from being used. */
export interface Block {
  readonly obstacle: Obstacle;
  /** When it ends, epoch milliseconds; null when that is not known. */
  readonly until: number | null;
  /** Where this comes from: a header, a key of the configuration, the breaker. */
  readonly source: string;
}

/**
 * Of two blocks the one that decides: what waiting cannot end, then what lasts longest. One without a known end counts
 * least, because the other's deadline is a moment before which the target cannot be free.
 */
export function heavier(one: Block | null, other: Block | null): Block | null {
  if (one === null || other === null) return one ?? other;
  return weight(other) > weight(one) ? other : one;
}

function weight({ obstacle, until }: Block): number {
  return obstacle === 'limit_too_small' ? Number.POSITIVE_INFINITY : (until ?? Number.NEGATIVE_INFINITY);
}

/** What a request would take. */
export interface Needs {
  /** Estimated tokens of the question and the longest answer that was asked for. */
  readonly tokens: number;
  /** The family of the endpoint, for example `chat`, one of a small fixed set: some blocks hold for one family only. */
  readonly endpoint: string;
}

/** The traffic of a provider or a target, as the limits and quotas see it. */
export interface Traffic {
  /** Reserved and not yet settled. */
  inFlight: number;
  /** Reserved and not yet on the wire, so it may reach the provider at any moment from now on. */
  unsentRequests: number;
  unsentTokens: number;
  /** Everything ever put on the wire: running totals, of which only differences matter. */
  sentRequests: number;
  sentTokens: number;
}

/** No traffic yet. */
export function noTraffic(): Traffic {
  return { inFlight: 0, unsentRequests: 0, unsentTokens: 0, sentRequests: 0, sentTokens: 0 };
}
