import { type Sharing, unshared } from '../workers/sharing.js';

/** An amount that is set aside until it is known what was really spent. */
export interface Hold {
  /** Nano-USD. */
  readonly amount: number;
  isSettled(): boolean;
  /** Gives it back, and adds what was spent. Only the first call has an effect. */
  settle(cost: number): void;
}

/** What is spent and set aside in one period. Amounts are integer nano-USD. */
export interface Tab {
  /** By everybody, as far as it is known. */
  readonly spent: number;
  readonly reserved: number;
  /** By this gateway, which may be several workers, since the tab was opened. */
  readonly own: number;
  /** Whether it holds what was spent before it was opened. */
  readonly isBased: boolean;
  /** Learns what other workers have done. What is read afterwards, in the same turn, fits together. */
  refresh(): void;
  /** Sets `amount` aside if the tab stays within `limit`, else null. Infinity is no limit. */
  reserve(amount: number, limit: number): Hold | null;
  /** Adds what was spent without having been set aside. */
  add(cost: number): void;
  /**
   * Takes over `sum`, what the records come to: they hold all that this gateway had spent before it was at `ownBefore`.
   * Of what it spent since, they may hold any part.
   */
  rebase(sum: number, ownBefore: number): void;
}

/**
 * An empty tab, or what other workers know of it by its name. Nothing of it waits: between a check and what follows
 * from it, nobody else has a turn.
 */
export function createTab(name = '', sharing: Sharing = unshared): Tab {
  /** What the records held that was not this process's. */
  let others = 0;
  let own = 0;
  let reserved = 0;
  /** The part of it that other workers have set aside. */
  let elsewhere = 0;
  let based = false;
  const shared = sharing.join(name, {
    save: () => ({ others, own, based }),
    load(state: { others: number; own: number; based: boolean }, [held = 0]) {
      ({ others, own, based } = state);
      reserved += held - elsewhere;
      elsewhere = held;
    },
    held: () => [reserved - elsewhere],
  });

  function reserve(amount: number, limit: number): Hold | null {
    if (others + own + reserved + amount > limit) return null;
    let open = true;
    reserved += amount;
    return {
      amount,
      isSettled: () => !open,
      settle(cost) {
        if (!open) return;
        open = false;
        shared.update(() => {
          reserved -= amount;
          own += cost;
        });
      },
    };
  }

  return {
    get spent() {
      return others + own;
    },
    get reserved() {
      return reserved;
    },
    get own() {
      return own;
    },
    get isBased() {
      return based;
    },
    refresh: shared.refresh,
    reserve: (amount, limit) => shared.update(() => reserve(amount, limit)),
    add(cost) {
      if (cost === 0) return;
      shared.update(() => {
        own += cost;
      });
    },
    rebase(sum, ownBefore) {
      shared.update(() => {
        // Others have spent at least what is left when all of ours is taken off, and at most what is left otherwise.
        if (own === ownBefore || !based) others = Math.max(0, sum - ownBefore);
        else others = Math.max(others, sum - own);
        based = true;
      });
    },
  };
}
