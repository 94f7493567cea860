import type { BreakerConfig } from '../../config/types.js';
import type { Block } from './block.js';
import { createSlidingCount, type SlidingCount } from './sliding-count.js';

/** How an exchange ended for the target: `neutral` says nothing about it (the caller's fault, a 429, the client left). */
export type Result = 'success' | 'failure' | 'neutral';

export type BreakerState = 'closed' | 'open' | 'half_open';

/** Leaves a target alone that keeps failing. */
export interface Breaker {
  block(now: number): Block | null;
  /** Lets a request pass that `block` did not refuse; `probe` is the one that decides whether the breaker closes. */
  enter(): 'ordinary' | 'probe';
  /** Scores a request that began at `startedAt`. Must be called once for each that entered, whatever became of it. */
  leave(now: number, startedAt: number, pass: 'ordinary' | 'probe', result: Result): void;
  state(now: number): BreakerState;
  /** Until when it is open, and for how long that was; null while it is closed. */
  opened(): { readonly until: number; readonly openMs: number } | null;
  restore(opened: { until: number; openMs: number }): void;
  /** Whether an ending changes nothing that other workers have to know at once. */
  isQuiet(pass: 'ordinary' | 'probe', result: Result): boolean;
  /** What holds for all workers. */
  dump(): BreakerDump;
  /** Takes over what another worker knows; `probing`: whether a probe of another one is under way. */
  load(dump: BreakerDump, probing: boolean): void;
  /** Whether a probe of this process is under way. */
  readonly isProbing: boolean;
}

type Counted = ReturnType<SlidingCount['dump']>;

export interface BreakerDump {
  readonly open: { until: number; openMs: number } | null;
  readonly inARow: number;
  readonly changedAt: number | null;
  readonly failed: Counted;
  readonly scored: Counted;
}

/** The share of failures within the window that opens it. */
const FAILURE_RATE = 0.5;
const MAX_GROWTH = 10;
const BUCKETS = 10;

/** A closed breaker. State is two counters over the window and a deadline; half-open is an open one that is over. */
export function createBreaker({ failures, windowMs, openMs }: BreakerConfig, isShared = false): Breaker {
  const bucketMs = Math.max(1, Math.ceil(windowMs / BUCKETS));
  let failed = createSlidingCount(windowMs, bucketMs);
  let scored = createSlidingCount(windowMs, bucketMs);
  let inARow = 0;
  let open: { until: number; openMs: number } | null = null;
  let probing = false;
  let probingElsewhere = false;
  /** Successes that other workers do not know of, because nothing depended on them; null when there are no others. */
  const untold = isShared ? createSlidingCount(windowMs, bucketMs) : null;
  let isAskedFor = false;
  let failuresKnown = 0;
  /** What began before the last change says nothing about the state since. */
  let changedAt = Number.NEGATIVE_INFINITY;

  function openFor(ms: number, now: number): void {
    open = { until: now + ms, openMs: ms };
    changedAt = now;
  }

  function close(now: number): void {
    failed = createSlidingCount(windowMs, bucketMs);
    scored = createSlidingCount(windowMs, bucketMs);
    inARow = 0;
    open = null;
    changedAt = now;
  }

  function score(now: number, result: 'success' | 'failure'): void {
    scored.add(now, 1);
    inARow = result === 'failure' ? inARow + 1 : 0;
    if (result === 'success') return;
    failed.add(now, 1);
    const samples = scored.total(now);
    const often = samples >= 2 * failures && failed.total(now) >= samples * FAILURE_RATE;
    if (inARow >= failures || often) openFor(openMs, now);
  }

  return {
    block(now) {
      if (open === null) return null;
      if (open.until > now) return { obstacle: 'breaker_open', until: open.until, source: 'breaker' };
      return probing || probingElsewhere
        ? { obstacle: 'breaker_open', until: null, source: 'breaker probe' }
        : null;
    },
    enter() {
      if (open === null) return 'ordinary';
      probing = true;
      return 'probe';
    },
    leave(now, startedAt, pass, result) {
      if (pass === 'probe') {
        probing = false;
        if (result === 'success') close(now);
        if (result === 'failure') openFor(Math.min((open?.openMs ?? openMs) * 2, openMs * MAX_GROWTH), now);
      } else if (result !== 'neutral' && open === null && startedAt >= changedAt) {
        score(now, result);
        if (result === 'success') untold?.add(now, 1);
      }
    },
    state(now) {
      if (open === null) return 'closed';
      return open.until > now ? 'open' : 'half_open';
    },
    opened: () => open,
    restore(opened) {
      if (open === null || opened.until > open.until) open = opened;
    },
    isQuiet(pass, result) {
      if (pass === 'probe') return false;
      if (result === 'neutral' || open !== null) return true;
      return result === 'success' && inARow === 0 && !isAskedFor;
    },
    dump() {
      untold?.load([]);
      isAskedFor = false;
      return {
        open,
        inARow,
        changedAt: Number.isFinite(changedAt) ? changedAt : null,
        failed: failed.dump(),
        scored: scored.dump(),
      };
    },
    load(dump, isProbingElsewhere) {
      ({ open, inARow } = dump);
      const changed = dump.changedAt ?? Number.NEGATIVE_INFINITY;
      const own = changed > changedAt ? [] : (untold?.dump() ?? []);
      changedAt = changed;
      failed.load(dump.failed);
      scored.load(dump.scored);
      for (const [at, amount] of own) scored.add(at, amount);
      const told = dump.failed.reduce((sum, [, amount]) => sum + amount, 0);
      // They may decide whether the failures of others are many.
      if (own.length > 0 && told > failuresKnown) isAskedFor = true;
      failuresKnown = told;
      probingElsewhere = isProbingElsewhere;
    },
    get isProbing() {
      return probing;
    },
  };
}
