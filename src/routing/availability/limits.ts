import type { LimitsConfig } from '../../config/types.js';
import { type Block, heavier, type Traffic } from './block.js';
import { createSlidingCount, type SlidingCount } from './sliding-count.js';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * A request that was put on the wire early may be slow on its way and a later one fast, so the provider may see them
 * closer together than they were sent: by at most this much, for a connection that stands.
 */
const TRANSIT_MS = SECOND_MS;

type Window = Exclude<keyof LimitsConfig, 'concurrency'>;

const windows: readonly { name: Window; unit: 'requests' | 'tokens'; lengthMs: number; bucketMs: number }[] =
  [
    { name: 'requestsPerMinute', unit: 'requests', lengthMs: MINUTE_MS, bucketMs: SECOND_MS },
    { name: 'tokensPerMinute', unit: 'tokens', lengthMs: MINUTE_MS, bucketMs: SECOND_MS },
    { name: 'requestsPerHour', unit: 'requests', lengthMs: HOUR_MS, bucketMs: 30 * SECOND_MS },
    { name: 'tokensPerHour', unit: 'tokens', lengthMs: HOUR_MS, bucketMs: 30 * SECOND_MS },
    { name: 'requestsPerDay', unit: 'requests', lengthMs: DAY_MS, bucketMs: 10 * MINUTE_MS },
    { name: 'tokensPerDay', unit: 'tokens', lengthMs: DAY_MS, bucketMs: 10 * MINUTE_MS },
  ];

/** One configured limit and how much of it is used. */
export interface LimitUse {
  readonly name: keyof LimitsConfig;
  readonly limit: number;
  readonly used: number;
  /** When all that is counted will be forgotten, epoch milliseconds; null while nothing is, or nothing ever will be. */
  readonly resetAt: number | null;
}

/** What was counted within the windows, as pairs of a moment and an amount. */
export type CountedWindows = Partial<Record<Window, [at: number, amount: number][]>>;

/** Keeps to the configured limits. */
export interface Meter {
  /** Why a request of so many tokens must wait; null when it fits beside what is counted and what is reserved. */
  block(now: number, tokens: number): Block | null;
  /** Counts a request that is put on the wire. */
  count(now: number, tokens: number): void;
  /** Takes back a request that was counted at `sentAt`, with its tokens. */
  uncount(sentAt: number, tokens: number): void;
  /** Corrects the tokens of a request that was counted at `sentAt`. */
  correct(now: number, sentAt: number, counted: number, actual: number): void;
  uses(now: number): LimitUse[];
  save(now: number): CountedWindows;
  restore(counted: CountedWindows, now: number): void;
  /** What is counted, without what is reserved. */
  dump(): CountedWindows;
  /** Counts what `dump` gave, and nothing else. Windows that it does not have stay as they are. */
  load(counted: CountedWindows): void;
}

interface Limited {
  readonly name: Window;
  readonly unit: 'requests' | 'tokens';
  readonly limit: number;
  readonly counted: SlidingCount;
}

/**
 * A meter for the traffic of one account, or of one caller, for whom `transitMs` is 0: nothing lies between them. In any window never more is admitted than its limit: what is reserved counts
 * until it is settled or sent, what is sent counts for the window's length and up to a bucket and `TRANSIT_MS` longer.
 * Memory is 0.5 kB for a limit per minute, 1 kB for one per hour and 1.2 kB for one per day.
 */
export function createMeter(limits: LimitsConfig, traffic: Traffic, transitMs = TRANSIT_MS): Meter {
  const { concurrency } = limits;
  const limited: Limited[] = windows.flatMap(({ name, unit, lengthMs, bucketMs }) => {
    const limit = limits[name];
    if (limit === null) return [];
    return [{ name, unit, limit, counted: createSlidingCount(lengthMs + transitMs, bucketMs) }];
  });

  const unsent = (unit: Limited['unit']) =>
    unit === 'requests' ? traffic.unsentRequests : traffic.unsentTokens;

  function windowBlock({ name, unit, limit, counted }: Limited, now: number, tokens: number): Block | null {
    const amount = unit === 'requests' ? 1 : tokens;
    const excess = counted.total(now) + unsent(unit) + amount - limit;
    // A request without tokens fits, even when answers were longer than estimated and the limit is overdrawn.
    if (!(excess > 0) || amount === 0) return null;
    const source = `limits.${name}`;
    if (amount > limit) return { obstacle: 'limit_too_small', until: null, source };
    return { obstacle: 'limit_exhausted', until: counted.forgottenAt(now, excess), source };
  }

  return {
    block(now, tokens) {
      let found: Block | null = null;
      for (const window of limited) found = heavier(found, windowBlock(window, now, tokens));
      if (found !== null || concurrency === null || traffic.inFlight < concurrency) return found;
      return { obstacle: 'concurrency_full', until: null, source: 'limits.concurrency' };
    },
    count(now, tokens) {
      for (const { unit, counted } of limited) counted.add(now, unit === 'requests' ? 1 : tokens);
    },
    uncount(sentAt, tokens) {
      for (const { unit, counted } of limited) counted.subtract(sentAt, unit === 'requests' ? 1 : tokens);
    },
    correct(now, sentAt, before, actual) {
      for (const { unit, counted } of limited) {
        if (unit === 'requests') continue;
        // Too much was counted when it was sent; what comes on top is used up only now.
        if (actual < before) counted.subtract(sentAt, before - actual);
        else counted.add(now, actual - before);
      }
    },
    uses(now) {
      const uses = limited.map(({ name, unit, limit, counted }): LimitUse => {
        const total = counted.total(now);
        const resetAt = total > 0 ? counted.forgottenAt(now, total) : null;
        return { name, limit, used: total + unsent(unit), resetAt };
      });
      if (concurrency === null) return uses;
      return [...uses, { name: 'concurrency', limit: concurrency, used: traffic.inFlight, resetAt: null }];
    },
    save(now) {
      const saved: CountedWindows = {};
      for (const { name, unit, counted } of limited) {
        // What is reserved may be on the wire before anything else is saved.
        const reserved: [number, number][] = unsent(unit) > 0 ? [[now, unsent(unit)]] : [];
        saved[name] = [...counted.entries(now), ...reserved];
      }
      return saved;
    },
    restore(saved, now) {
      for (const { name, counted } of limited) {
        // What lies ahead was counted before the clock was set back. How long ago that was nobody knows: as if just now.
        for (const [at, amount] of saved[name] ?? []) counted.add(Math.min(at, now), amount);
      }
    },
    dump() {
      const counts: CountedWindows = {};
      for (const { name, counted } of limited) counts[name] = counted.dump();
      return counts;
    },
    load(counts) {
      for (const { name, counted } of limited) {
        const entries = counts[name];
        if (entries !== undefined) counted.load(entries);
      }
    },
  };
}
