import { createBoundedMap } from './bounded.js';

/** Whose turn it is on each route. Reading moves nothing. */
export interface Turns {
  /** When targets last had a turn, as a number that only grows; 0 for never. */
  last(route: string): (target: string) => number;
  /** Takes the target's turn. */
  take(route: string, target: string): void;
  /** How many turns targets are behind their share, before this turn. */
  behind(route: string): (target: string) => number;
  /** Takes a turn that was to be shared among these targets. Every target but the chosen one falls behind. */
  takeShared(route: string, shares: readonly Share[], chosen: string): void;
}

/** A target's part of a turn, from 0 to 1. */
export interface Share {
  readonly target: string;
  readonly share: number;
}

/** A target that was away must not get its whole backlog at once when it is back. */
const MAX_BEHIND = 2;
const MAX_ROUTES = 2000;

/** Nobody has had a turn. */
export function createTurns(): Turns {
  const ticks = createBoundedMap(MAX_ROUTES, () => new Map<string, number>());
  const debts = createBoundedMap(MAX_ROUTES, () => new Map<string, number>());
  let tick = 0;
  return {
    last(route) {
      const known = ticks.get(route);
      return (target) => known?.get(target) ?? 0;
    },
    take(route, target) {
      ticks.obtain(route).set(target, ++tick);
    },
    behind(route) {
      const known = debts.get(route);
      return (target) => known?.get(target) ?? 0;
    },
    takeShared(route, shares, chosen) {
      const debt = debts.obtain(route);
      for (const { target, share } of shares) {
        const owed = (debt.get(target) ?? 0) + share - (target === chosen ? 1 : 0);
        debt.set(target, Math.min(MAX_BEHIND, Math.max(-MAX_BEHIND, owed)));
      }
    },
  };
}
