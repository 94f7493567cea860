import { speedKind } from '../keys.js';
import { type Strategy, sortedBy } from './strategy.js';

/** Measurements this close say nothing about the next request. */
const NEAR = 1.1;

/**
 * The shortest expected time to the first content first. Targets that were never asked, and in time those that were
 * found slow, come first once: `learned/speeds.ts` says when. Of those about as fast as the best a random one is first,
 * so that the fastest is not given everything until it is slow.
 */
export const fastest: Strategy = {
  order(targets, { facts, learned, now, random }) {
    const expected = learned.speeds.expected(speedKind(facts), now);
    const sorted = sortedBy(targets, ({ id }) => expected(id));
    const [best] = sorted;
    const least = best === undefined ? 0 : expected(best.id);
    // Whoever is to be explored comes in the order of the configuration.
    if (least === 0 || least === Number.POSITIVE_INFINITY) return sorted;
    const far = sorted.findIndex(({ id }) => expected(id) > least * NEAR);
    const pick = Math.floor(random() * (far < 0 ? sorted.length : far));
    return [...sorted.splice(pick, 1), ...sorted];
  },
  chosen({ id }, _among, { facts, learned, now }) {
    learned.speeds.asked(speedKind(facts), id, now);
  },
};
