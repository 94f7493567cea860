import type { RequestFacts } from '../facts.js';
import type { Learned } from '../learned.js';
import type { Tier } from '../names.js';
import type { Entry, Target } from '../table.js';

/** What a strategy may look at. */
export interface Situation {
  readonly entry: Entry;
  readonly facts: RequestFacts;
  readonly learned: Learned;
  /** Epoch milliseconds. */
  readonly now: number;
  /** From 0 to 1, as `Math.random` gives it. */
  readonly random: () => number;
}

/** One way to order targets that may all be used. */
export interface Strategy {
  /** The order in which to try them. Pure: it changes nothing. */
  order(targets: readonly Target[], situation: Situation): readonly Target[];
  /** The tier to start at, for a strategy that minds. */
  tier?(situation: Situation): Tier;
  /** The first choice among the targets is going to be asked: from here on the next choice may be another. */
  chosen?(target: Target, among: readonly Target[], situation: Situation): void;
}

/** Sorts by a number, the lowest first; equals stay in the order of the configuration. */
export function sortedBy(targets: readonly Target[], value: (target: Target) => number): Target[] {
  const sorted: Target[] = [];
  const values: number[] = [];
  // By insertion: for the few targets of a route several times as fast as Array.sort, and stable as well.
  for (const target of targets) {
    const own = value(target);
    let at = sorted.length;
    for (; at > 0; at--) {
      const before = values[at - 1];
      const moved = sorted[at - 1];
      if (before === undefined || moved === undefined || before <= own) break;
      values[at] = before;
      sorted[at] = moved;
    }
    values[at] = own;
    sorted[at] = target;
  }
  return sorted;
}
