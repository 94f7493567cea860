import type { Entry, Target } from '../table.js';
import { type Strategy, sortedBy } from './strategy.js';

/**
 * Shares by weight, smoothly: while the same targets are usable, each has had its exact share of the requests so far,
 * give or take less than one. Of the targets that are owed a turn, the one whose debt first grows to a whole turn is
 * next (earliest deadline first, by which proportionate fair scheduling keeps every debt between -1 and 1; Baruah et
 * al., "Proportionate Progress", 1996). Giving the turn to the largest debt, as is usual, can stray further.
 */
export const weighted: Strategy = {
  order(targets, { entry, learned }) {
    const behind = learned.turns.behind(entry.name);
    const total = sumOf(entry, targets);
    return sortedBy(targets, (target) => {
      const share = weightOf(entry, target) / total;
      const owed = behind(target.id) + share;
      const turnsLeft = (1 - owed) / share;
      // Not owed anything: after all who are.
      return owed > ROUNDING ? turnsLeft : turnsLeft + NOT_YET;
    });
  },
  chosen({ id }, among, { entry, learned }) {
    const total = sumOf(entry, among);
    const shares = among.map((target) => ({ target: target.id, share: weightOf(entry, target) / total }));
    learned.turns.takeShared(entry.name, shares, id);
  },
};

/** What is left of a debt that was paid in full, in floating point. */
const ROUNDING = 1e-9;
const NOT_YET = 1e12;

function sumOf(entry: Entry, targets: readonly Target[]): number {
  let sum = 0;
  for (const target of targets) sum += weightOf(entry, target);
  return sum;
}

function weightOf({ weights }: Entry, { id }: Target): number {
  return weights.get(id) ?? 1;
}
