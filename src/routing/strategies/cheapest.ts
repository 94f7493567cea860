import { costEstimator } from '../estimate-cost.js';
import { type Strategy, sortedBy } from './strategy.js';

/** The lowest estimated cost of this request first; targets without a price last. */
export const cheapest: Strategy = {
  order(targets, { entry, facts, learned, now }) {
    const cost = costEstimator(entry, facts, learned, now);
    return sortedBy(targets, (target) => cost(target) ?? Number.POSITIVE_INFINITY);
  },
};
