import { type Shared, type Sharing, type Subject, unshared } from '../../workers/sharing.js';
import type { Traffic } from './block.js';
import type { Breaker, BreakerDump } from './breaker.js';
import type { Cooldown, Cooldowns } from './cooldowns.js';
import type { CountedWindows, Meter } from './limits.js';
import type { QuotaDump, Quotas } from './quotas.js';

/** What a scope consists of. */
export interface Parts {
  readonly key: string;
  readonly traffic: Traffic;
  readonly cooldowns: Cooldowns;
  readonly quotas: Quotas;
  readonly meter: Meter | null;
  readonly breaker: Breaker | null;
}

/** What workers know together of a scope. */
export interface ScopeSharing {
  /** Learns what other workers have done. */
  refresh(): void;
  /** Changes what all workers know. `act` puts on the wire what it takes of the limits. */
  update<Result>(act: () => Result): Result;
  /**
   * Whether every request counts for the other workers too: the scope has limits, or there is little left of a quota.
   * What is counted must be changed in an `update`.
   */
  isCounted(now: number): boolean;
  /** What this process has under way; the scope's own traffic includes what others have, while requests count. */
  inFlight(): number;
  forget(): void;
}

interface ScopeState {
  readonly cooldowns: readonly Cooldown[];
  readonly quotas: readonly QuotaDump[];
  readonly windows: CountedWindows | null;
  readonly breaker: BreakerDump | null;
  /** All that was ever sent while it was counted: running totals, of which only differences matter. */
  readonly requests: number;
  readonly tokens: number;
}

const nothing = (): void => {};

/** For a process that is alone. */
function alone({ traffic }: Parts): ScopeSharing {
  return {
    refresh: nothing,
    update: (act) => act(),
    isCounted: () => false,
    inFlight: () => traffic.inFlight,
    forget: nothing,
  };
}

/** Shares a scope with the other workers, under its key. */
export function shareScope(parts: Parts, sharing: Sharing = unshared): ScopeSharing {
  if (!sharing.isShared) return alone(parts);
  const { key, traffic, quotas, meter } = parts;
  const total = { requests: 0, tokens: 0 };
  const elsewhere = { inFlight: 0, unsentRequests: 0, unsentTokens: 0 };
  /** Whether the others have been told of something that is under way here. */
  let isHeld = false;
  const shared: Shared = sharing.join(key, subject());

  function subject(): Subject<ScopeState> {
    const { cooldowns, breaker } = parts;
    return {
      save: () => ({
        cooldowns: cooldowns.dump(),
        quotas: quotas.dump(),
        windows: meter?.dump() ?? null,
        breaker: breaker?.dump() ?? null,
        ...total,
      }),
      load(state, [inFlight = 0, unsentRequests = 0, unsentTokens = 0, probing = 0]) {
        cooldowns.load(state.cooldowns);
        if (state.windows !== null) meter?.load(state.windows);
        if (state.breaker !== null) breaker?.load(state.breaker, probing > 0);
        traffic.sentRequests += state.requests - total.requests;
        traffic.sentTokens += state.tokens - total.tokens;
        Object.assign(total, { requests: state.requests, tokens: state.tokens });
        quotas.load(state.quotas);
        const told = { inFlight, unsentRequests, unsentTokens };
        for (const name of ['inFlight', 'unsentRequests', 'unsentTokens'] as const) {
          traffic[name] += told[name] - elsewhere[name];
        }
        Object.assign(elsewhere, told);
      },
      held() {
        const probing = breaker?.isProbing === true ? 1 : 0;
        const counts = isCounted(Date.now());
        isHeld = counts;
        if (!counts) return probing === 0 ? [] : [0, 0, 0, probing];
        return [
          traffic.inFlight - elsewhere.inFlight,
          traffic.unsentRequests - elsewhere.unsentRequests,
          traffic.unsentTokens - elsewhere.unsentTokens,
          probing,
        ];
      },
    };
  }

  function isCounted(now: number): boolean {
    return meter !== null || quotas.isScarce(now);
  }

  return {
    refresh: shared.refresh,
    update: (act) =>
      shared.update(() => {
        const { sentRequests, sentTokens } = traffic;
        const result = act();
        total.requests += traffic.sentRequests - sentRequests;
        total.tokens += traffic.sentTokens - sentTokens;
        return result;
      }),
    isCounted: (now) => isHeld || isCounted(now),
    inFlight: () => traffic.inFlight - elsewhere.inFlight,
    forget: shared.forget,
  };
}
