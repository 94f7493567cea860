import type { Quota } from '../quota.js';
import type { Block, Traffic } from './block.js';

/** A request's place among all that were put on the wire: the running totals right after it. */
export interface Place {
  readonly requests: number;
  readonly tokens: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** A quota, and what was put on the wire or reserved since the request whose answer told it. */
export interface KnownQuota extends Quota {
  readonly sentSince: number;
}

/** What a provider itself says is left. */
export interface Quotas {
  /** Takes over what an answer told, unless the answer to a later request has told already. */
  learn(quotas: readonly Quota[], place: Place): void;
  /** Why a request of so many tokens would be refused by the provider; null when it fits or nothing is known. */
  block(now: number, tokens: number): Block | null;
  list(now: number): KnownQuota[];
  /**
   * Whether so little is left that what others send at the same time matters: a tenth, or fewer than 100 requests or
   * 100 000 tokens.
   */
  isScarce(now: number): boolean;
  /** What is known, with what was sent since instead of places, which mean nothing in another process. */
  dump(): readonly QuotaDump[];
  /** Takes over what was told to others later than to this process. */
  load(dump: readonly QuotaDump[]): void;
}

export interface QuotaDump {
  readonly quota: Quota;
  /** When the request was sent whose answer told it, epoch milliseconds. */
  readonly at: number;
  readonly since: Place;
}

interface Learnt {
  quota: Quota;
  place: Place;
}

const SCARCE_SHARE = 0.1;
const SCARCE = { requests: 100, tokens: 100_000 };

/** Headers name at most requests and tokens for a minute, an hour and a day. */
const MAX_QUOTAS = 8;

/** Quotas as they are known from answers, corrected by the traffic since. */
export function createQuotas(traffic: Traffic): Quotas {
  const known: Learnt[] = [];

  function sentSince({ quota, place }: Learnt): number {
    return quota.resource === 'requests'
      ? traffic.sentRequests - place.requests + traffic.unsentRequests
      : traffic.sentTokens - place.tokens + traffic.unsentTokens;
  }

  function find({ resource, windowMs }: Quota): Learnt | undefined {
    return known.find(({ quota }) => quota.resource === resource && quota.windowMs === windowMs);
  }

  function exhausted(learnt: Learnt, amount: number): boolean {
    const { remaining } = learnt.quota;
    if (remaining === null) return false;
    if (remaining < amount) return true;
    // Our own count is not the provider's word: with nothing under way, one request goes and brings that back.
    return traffic.inFlight > 0 && remaining - sentSince(learnt) < amount;
  }

  return {
    learn(quotas, place) {
      for (const quota of quotas) {
        const same = find(quota);
        if (same === undefined) {
          if (known.length < MAX_QUOTAS) known.push({ quota, place });
        } else if (same.place.requests <= place.requests) {
          same.quota = quota;
          same.place = place;
        }
      }
    },
    block(now, tokens) {
      let longest: Block | null = null;
      for (const learnt of known) {
        const { resetAt: until, resource, source } = learnt.quota;
        // Without a reset there is no telling when it would be free again, and a deadline is not made up.
        if (until === null || until <= now || (longest?.until ?? 0) >= until) continue;
        if (!exhausted(learnt, resource === 'requests' ? 1 : Math.max(1, tokens))) continue;
        longest = { obstacle: 'quota_exhausted', until, source };
      }
      return longest;
    },
    isScarce: (now) =>
      known.some((learnt) => {
        const { resource, limit, remaining, resetAt } = learnt.quota;
        if (remaining === null || resetAt === null || resetAt <= now) return false;
        const margin = Math.max(SCARCE[resource], (limit ?? 0) * SCARCE_SHARE);
        return remaining - sentSince(learnt) <= margin;
      }),
    dump: () =>
      known.map(({ quota, place: { requests, tokens, at } }) => ({
        quota,
        at,
        since: { requests: traffic.sentRequests - requests, tokens: traffic.sentTokens - tokens, at },
      })),
    load(dump) {
      for (const { quota, at, since } of dump) {
        const same = find(quota);
        if (same !== undefined && same.place.at > at) continue;
        const place = {
          requests: traffic.sentRequests - since.requests,
          tokens: traffic.sentTokens - since.tokens,
          at,
        };
        if (same !== undefined) Object.assign(same, { quota, place });
        else if (known.length < MAX_QUOTAS) known.push({ quota, place });
      }
    },
    list: (now) =>
      known
        .filter(({ quota }) => quota.resetAt === null || quota.resetAt > now)
        .map((learnt) => ({ ...learnt.quota, sentSince: sentSince(learnt) })),
  };
}
