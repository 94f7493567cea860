/** An amount that is set aside until it is known what was really spent. */
export interface Hold {
  /** Nano-USD. */
  readonly amount: number;
  readonly isSettled: boolean;
  /** Gives it back, and adds what was spent. Only the first call has an effect. */
  settle(cost: number): void;
}

/** What is spent and set aside in one period. Amounts are integer nano-USD. */
export interface Tab {
  /** By everybody, as far as it is known. */
  readonly spent: number;
  readonly reserved: number;
  /** By this process, since the tab was opened. */
  readonly own: number;
  /** Sets `amount` aside if the tab stays within `limit`, else null. Infinity is no limit. */
  reserve(amount: number, limit: number): Hold | null;
  /** Adds what was spent without having been set aside. */
  add(cost: number): void;
  /**
   * Takes over `sum`, what the records come to: they hold all that this process had spent before it was at `ownBefore`.
   * Of what it spent since, they may hold any part.
   */
  rebase(sum: number, ownBefore: number): void;
}

/** An empty tab. Nothing of it waits: between a check and what follows from it, nobody else has a turn. */
export function createTab(): Tab {
  /** What the records held that was not this process's. */
  let others = 0;
  let own = 0;
  let reserved = 0;
  let based = false;

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
    reserve(amount, limit) {
      if (others + own + reserved + amount > limit) return null;
      let open = true;
      reserved += amount;
      return {
        amount,
        get isSettled() {
          return !open;
        },
        settle(cost) {
          if (!open) return;
          open = false;
          reserved -= amount;
          own += cost;
        },
      };
    },
    add(cost) {
      own += cost;
    },
    rebase(sum, ownBefore) {
      // Others have spent at least what is left when all of ours is taken off, and at most what is left otherwise.
      if (own === ownBefore || !based) others = Math.max(0, sum - ownBefore);
      else others = Math.max(others, sum - own);
      based = true;
    },
  };
}
