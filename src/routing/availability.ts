/** Why a target must not be used now. */
export type Obstacle = 'rate_limited' | 'quarantined' | 'payment_required' | 'model_missing';

/** A reason and the moment it ends, epoch milliseconds. */
export interface Block {
  obstacle: Obstacle;
  until: number;
}

/** What is known now about targets: deadlines, never timers. Keys are `provider` or `provider/model`. */
export interface Availability {
  /** What keeps the target from being used at `now`, the longest first; null when it is free. */
  blocked(provider: string, target: string, now: number): Block | null;
  /** Blocks a key. A later deadline replaces an earlier one, never the other way round. */
  block(key: string, obstacle: Obstacle, until: number): void;
}

/** Callers may name any model of a provider that declares none, so the number of keys has to be bounded. */
const MAX_BLOCKS = 10_000;

/** A store that forgets blocks that are over, and the oldest when there are too many. */
export function createAvailability(): Availability {
  const blocks = new Map<string, Block>();

  function current(key: string, now: number): Block | null {
    const block = blocks.get(key);
    if (block === undefined) return null;
    if (block.until > now) return block;
    blocks.delete(key);
    return null;
  }

  return {
    blocked(provider, target, now) {
      const whole = current(provider, now);
      const own = current(target, now);
      if (whole === null || own === null) return whole ?? own;
      return whole.until >= own.until ? whole : own;
    },
    block(key, obstacle, until) {
      const known = blocks.get(key);
      if (known !== undefined && known.until >= until) return;
      blocks.delete(key);
      blocks.set(key, { obstacle, until });
      const [oldest] = blocks.keys();
      if (blocks.size > MAX_BLOCKS && oldest !== undefined) blocks.delete(oldest);
    },
  };
}
