import type { Exchange } from '../exchange.js';

/** Exchanges that wait to be written, bounded in number, oldest first. */
export interface Queue {
  readonly size: number;
  /** Adds one; returns how many had to go for it, which may be the new one itself. */
  push(exchange: Exchange): number;
  /**
   * Hands up to `max` of the oldest to `write` and forgets them when it returns.
   * They stay queued, in order, when it throws.
   */
  forward(max: number, write: (batch: Exchange[]) => void): void;
}

/**
 * A queue of at most `limit` exchanges. When it is full the oldest ordinary success goes first,
 * because a failure is what an operator will look for.
 */
export function createQueue(limit: number): Queue {
  const successes = createLine();
  const notable = createLine();
  let arrivals = 0;

  const makeRoom = (incoming: Exchange): 'made' | 'none' => {
    if (successes.size() > 0) successes.drop(1);
    else if (incoming.outcome === 'ok') return 'none';
    else notable.drop(1);
    return 'made';
  };

  return {
    get size() {
      return successes.size() + notable.size();
    },
    push(exchange) {
      const full = successes.size() + notable.size() >= limit;
      if (full && makeRoom(exchange) === 'none') return 1;
      const line = exchange.outcome === 'ok' ? successes : notable;
      line.push({ arrival: arrivals++, exchange });
      return full ? 1 : 0;
    },
    forward(max, write) {
      const batch: Exchange[] = [];
      let fromSuccesses = 0;
      let fromNotable = 0;
      while (batch.length < max) {
        const success = successes.at(fromSuccesses);
        const other = notable.at(fromNotable);
        if (success && (!other || success.arrival < other.arrival)) {
          batch.push(success.exchange);
          fromSuccesses += 1;
        } else if (other) {
          batch.push(other.exchange);
          fromNotable += 1;
        } else break;
      }
      write(batch);
      successes.drop(fromSuccesses);
      notable.drop(fromNotable);
    },
  };
}

interface Waiting {
  arrival: number;
  exchange: Exchange;
}

/** First in, first out. `Array.shift` on 50 000 entries moves them all; a moving head does not. */
function createLine() {
  let entries: (Waiting | undefined)[] = [];
  let head = 0;
  return {
    size: () => entries.length - head,
    at: (position: number) => entries[head + position],
    push: (entry: Waiting) => {
      entries.push(entry);
    },
    drop(count: number) {
      entries.fill(undefined, head, head + count);
      head += count;
      if (head > 1024 && head * 2 > entries.length) {
        entries = entries.slice(head);
        head = 0;
      }
    },
  };
}
