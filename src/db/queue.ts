import type { Exchange } from '../exchange.js';
import type { Payload } from './payloads.js';

/** What waits to be written: one exchange, and the bodies captured of it. */
export interface Entry {
  exchange: Exchange;
  payloads: readonly Payload[];
}

/** What was given up because the queue was too full. */
export interface Shed {
  /** Exchanges that are in no table, whatever their outcome. */
  exchanges: number;
  /** How many of them were ordinary successes. */
  successes: number;
  /** Captured bodies whose exchange was kept. */
  payloads: number;
}

/** Exchanges that wait to be written, bounded in number and in bytes, oldest first. */
export interface Queue {
  /** Waiting and taken. */
  readonly size: number;
  readonly waiting: number;
  readonly shed: Readonly<Shed>;
  /** How many were offered so far. */
  readonly arrivals: number;
  /** Everything offered before this position in the order of arrival is written or given up. */
  readonly done: number;
  /** Adds one, and gives up what its class allows when the queue is too full. */
  push(entry: Entry): void;
  /**
   * The oldest, as many as one transaction takes. Until `forget` the same are returned, and none of them is given up.
   */
  take(): readonly Entry[];
  /** What was taken is written. */
  forget(): void;
}

/** A larger transaction would be little cheaper per row. To hand this one over takes the event loop about 0.8 ms. */
export const BATCH_ROWS = 1024;
/** Bodies are copied when they are handed over. */
const BATCH_BYTES = 1024 * 1024;

/** From here on the bodies of ordinary successes are given up. */
const SHED_PAYLOADS_AT = 0.7;
/** From here on ordinary successes are given up whole. */
const SHED_SUCCESSES_AT = 0.95;
/** Bodies in the queue, in bytes: memory that a broken database may cost. */
const PAYLOAD_BYTES = 64 * 1024 * 1024;

/**
 * A queue of at most `limit` exchanges. Failures go last, because they are what an operator will look for: a
 * failure that finds the queue full takes the place of the oldest success, or of the oldest failure.
 */
export function createQueue(limit: number, payloadBytes = PAYLOAD_BYTES): Queue {
  const successes = createLine();
  const notable = createLine();
  const shed: Shed = { exchanges: 0, successes: 0, payloads: 0 };
  let taken: Waiting[] = [];
  let arrivals = 0;
  let bytes = 0;

  const waiting = () => successes.size() + notable.size();
  const size = () => waiting() + taken.length;

  function push({ exchange, payloads }: Entry): void {
    const arrival = arrivals++;
    const ordinary = exchange.outcome === 'ok';
    const line = ordinary ? successes : notable;
    if (ordinary && size() >= limit * SHED_SUCCESSES_AT) {
      shed.exchanges += 1;
      shed.successes += 1;
      return;
    }
    if (size() >= limit && !makeRoom()) {
      shed.exchanges += 1;
      return;
    }
    const kept = payloads.length === 0 || affordable(ordinary, payloads) ? payloads : [];
    shed.payloads += payloads.length - kept.length;
    bytes += bytesOf(kept);
    line.push({ arrival, exchange, payloads: kept });
  }

  function makeRoom(): boolean {
    const line = successes.size() > 0 ? successes : notable;
    const oldest = line.shift();
    if (oldest === undefined) return false;
    bytes -= bytesOf(oldest.payloads);
    shed.exchanges += 1;
    if (line === successes) shed.successes += 1;
    return true;
  }

  function affordable(ordinary: boolean, payloads: readonly Payload[]): boolean {
    const share = ordinary ? SHED_PAYLOADS_AT : 1;
    return size() < limit * share && bytes + bytesOf(payloads) <= payloadBytes * share;
  }

  function take(): readonly Entry[] {
    if (taken.length === 0) taken = nextBatch();
    return taken;
  }

  function nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    for (let weight = 0; batch.length < BATCH_ROWS && weight < BATCH_BYTES; ) {
      const next = older(successes, notable)?.shift();
      if (next === undefined) break;
      batch.push(next);
      weight += bytesOf(next.payloads);
    }
    return batch;
  }

  return {
    get size() {
      return size();
    },
    get waiting() {
      return waiting();
    },
    get arrivals() {
      return arrivals;
    },
    get done() {
      const [first] = taken;
      const next = older(successes, notable)?.first()?.arrival ?? arrivals;
      return Math.min(first?.arrival ?? next, next);
    },
    shed,
    push,
    take,
    forget() {
      for (const { payloads } of taken) bytes -= bytesOf(payloads);
      taken = [];
    },
  };
}

interface Waiting extends Entry {
  arrival: number;
}

type Line = ReturnType<typeof createLine>;

/** The line whose first has waited longer; null when both are empty. */
function older(left: Line, right: Line): Line | null {
  const first = left.first()?.arrival ?? Number.POSITIVE_INFINITY;
  const second = right.first()?.arrival ?? Number.POSITIVE_INFINITY;
  if (first === second) return null;
  return first < second ? left : right;
}

function bytesOf(payloads: readonly Payload[]): number {
  return payloads.reduce((sum, { body }) => sum + body.byteLength, 0);
}

/** First in, first out. `Array.shift` on 50 000 entries moves them all; a moving head does not. */
function createLine() {
  let entries: (Waiting | undefined)[] = [];
  let head = 0;
  return {
    size: () => entries.length - head,
    first: () => entries[head],
    push: (entry: Waiting) => {
      entries.push(entry);
    },
    shift(): Waiting | undefined {
      const first = entries[head];
      if (first === undefined) return undefined;
      entries[head] = undefined;
      head += 1;
      if (head > 1024 && head * 2 > entries.length) {
        entries = entries.slice(head);
        head = 0;
      }
      return first;
    },
  };
}
