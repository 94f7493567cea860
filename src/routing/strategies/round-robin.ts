import { type Strategy, sortedBy } from './strategy.js';

/** Whoever waits longest is next, so a target that is skipped for a while does not double the load of its neighbour. */
export const roundRobin: Strategy = {
  order(targets, { entry, learned }) {
    const last = learned.turns.last(entry.name);
    return sortedBy(targets, ({ id }) => last(id));
  },
  chosen({ id }, _among, { entry, learned }) {
    learned.turns.take(entry.name, id);
  },
};
