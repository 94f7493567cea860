import type { Block, Obstacle } from './block.js';

/** A block with a deadline. */
export interface Cooldown extends Block {
  readonly obstacle: Obstacle;
  readonly until: number;
  /** The only family of endpoints it holds for; null: for all. */
  readonly endpoint: string | null;
}

/** The cooldowns of one provider or one target. */
export interface Cooldowns {
  /** The one that lasts longest of those that hold for an endpoint; with null, of those that hold for all. */
  find(now: number, endpoint: string | null): Cooldown | null;
  /** A later deadline replaces an earlier one of the same endpoint, never the other way round. */
  add(cooldown: Cooldown): void;
  list(now: number): Cooldown[];
  /** All that were added last; whether they are over is for `load` to leave alone. */
  dump(): readonly Cooldown[];
  /** Holds what `dump` gave, and nothing else. */
  load(known: readonly Cooldown[]): void;
}

/** Endpoints come in a few families; this bounds the memory if a caller of this store ever gets that wrong. */
const MAX_COOLDOWNS = 16;

/** An empty list of cooldowns. Searching it costs a look at each; there is rarely more than one. */
export function createCooldowns(): Cooldowns {
  let cooldowns: readonly Cooldown[] = [];
  return {
    find(now, endpoint) {
      let longest: Cooldown | null = null;
      for (const cooldown of cooldowns) {
        if (cooldown.until <= now || (cooldown.endpoint !== null && cooldown.endpoint !== endpoint)) continue;
        if (longest === null || cooldown.until > longest.until) longest = cooldown;
      }
      return longest;
    },
    add(cooldown) {
      const known = cooldowns.find(({ endpoint }) => endpoint === cooldown.endpoint);
      if (Number.isNaN(cooldown.until) || (known !== undefined && known.until >= cooldown.until)) return;
      // Sorted by deadline: the last one ends first.
      cooldowns = [cooldown, ...cooldowns.filter((other) => other !== known)]
        .sort((one, other) => other.until - one.until)
        .slice(0, MAX_COOLDOWNS);
    },
    list: (now) => cooldowns.filter(({ until }) => until > now),
    dump: () => cooldowns,
    load(known) {
      cooldowns = known;
    },
  };
}
