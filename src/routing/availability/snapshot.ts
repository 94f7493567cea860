import { type Block, heavier } from './block.js';
import { blockOf, type Scope, type Scopes } from './scopes.js';

/** What is known about a provider (`model` is null) or a target. Instants are ISO 8601, unknown is null. */
export interface AvailabilityRow {
  provider: string;
  model: string | null;
  /** What keeps it from being used for any request; of a target also what keeps its provider. */
  obstacle: { reason: string; until: string | null; source: string } | null;
  in_flight: number;
  breaker: { state: 'closed' | 'open' | 'half_open'; open_until: string | null } | null;
  cooldowns: { reason: string; endpoint: string | null; until: string | null; source: string }[];
  /** As the provider told; `sent_since` is what the gateway itself has sent since, estimated for tokens. */
  quotas: {
    resource: 'requests' | 'tokens';
    window_ms: number | null;
    limit: number | null;
    remaining: number | null;
    sent_since: number;
    reset_at: string | null;
    source: string;
  }[];
  /** As configured, with the gateway's own counts. */
  limits: { name: string; limit: number; used: number; remaining: number; source: string }[];
}

/** What a request that needs nothing in particular would take: only general obstacles stop it. */
const ANY = { tokens: 0, endpoint: '' };

/** A row for a provider and for each of its targets that anything is known about. */
export function describeScopes(scopes: Scopes, now: number): AvailabilityRow[] {
  const { provider } = scopes;
  const whole = blockOf(provider, now, ANY);
  return scopes.all().map((scope) => {
    const block = scope === provider ? whole : heavier(whole, blockOf(scope, now, ANY));
    return describe(scope, provider.key, block, now);
  });
}

function describe(scope: Scope, provider: string, block: Block | null, now: number): AvailabilityRow {
  return {
    provider,
    model: scope.key === provider ? null : scope.key.slice(provider.length + 1),
    obstacle: block && { reason: block.obstacle, until: instant(block.until), source: block.source },
    in_flight: scope.shared.inFlight(),
    breaker: scope.breaker && {
      state: scope.breaker.state(now),
      open_until: instant(scope.breaker.opened()?.until ?? null),
    },
    cooldowns: scope.cooldowns.list(now).map(({ obstacle, endpoint, until, source }) => ({
      reason: obstacle,
      endpoint,
      until: instant(until),
      source,
    })),
    quotas: scope.quotas.list(now).map((quota) => ({
      resource: quota.resource,
      window_ms: quota.windowMs,
      limit: quota.limit,
      remaining: quota.remaining,
      sent_since: quota.sentSince,
      reset_at: instant(quota.resetAt),
      source: quota.source,
    })),
    limits: (scope.meter?.uses(now) ?? []).map(({ name, limit, used }) => ({
      name: name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      limit,
      used,
      remaining: Math.max(0, limit - used),
      source: 'configuration',
    })),
  };
}

/** Beyond what a `Date` can hold nothing is known. */
function instant(ms: number | null): string | null {
  return ms === null || !(Math.abs(ms) <= 8.64e15) ? null : new Date(ms).toISOString();
}
