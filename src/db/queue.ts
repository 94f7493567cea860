import type { Exchange } from '../exchange.js';
import type { Payload } from './payloads.js';
import { createDraft, type Draft, type Sheet } from './sheet.js';

/** One exchange that is to be written, and the bodies captured of it. */
export interface Entry {
  exchange: Exchange;
  payloads: readonly Payload[];
}

/** What is written in one transaction. */
export interface Rows {
  sheet: Sheet;
  /** The bodies captured of some of its exchanges, in their order. They are copies, which can be given away. */
  bodies: readonly Body[];
}

export interface Body {
  /** Of which exchange: 0 for the first. */
  row: number;
  payload: Payload;
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
   * Writes down what was added. To keep exchanges until they are taken would keep all that belongs to their requests
   * for longer than young garbage lives. What was just added may still change within this turn of the event loop.
   */
  writeDown(): void;
  /**
   * The oldest, as many as one transaction takes. Until `forget` the same are returned, and none of them is given up.
   */
  take(): Rows;
  /** What was taken is written. */
  forget(): void;
}

/** A larger transaction would be little cheaper per row. */
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
  let open = createPage();
  /** What is not written down. */
  let fresh: Waiting[] = [];
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
    const entry = { arrival, exchange, page: open, row: 0, payloads: kept };
    line.push(entry);
    fresh.push(entry);
  }

  function writeDown(): void {
    for (const entry of fresh) {
      const { exchange, payloads } = entry;
      if (exchange === null) continue;
      if (open.draft.length >= BATCH_ROWS || open.bytes >= BATCH_BYTES) open = createPage();
      entry.page = open;
      entry.row = open.draft.length;
      entry.exchange = null;
      open.draft.write(exchange);
      open.bytes += bytesOf(payloads);
    }
    fresh = [];
  }

  function makeRoom(): boolean {
    const line = successes.size() > 0 ? successes : notable;
    const oldest = line.shift();
    if (oldest === undefined) return false;
    bytes -= bytesOf(oldest.payloads);
    oldest.exchange = null;
    shed.exchanges += 1;
    if (line === successes) shed.successes += 1;
    return true;
  }

  function affordable(ordinary: boolean, payloads: readonly Payload[]): boolean {
    const share = ordinary ? SHED_PAYLOADS_AT : 1;
    return size() < limit * share && bytes + bytesOf(payloads) <= payloadBytes * share;
  }

  function take(): Rows {
    if (taken.length === 0) taken = nextPage();
    const bodies: Body[] = [];
    for (const [row, { payloads }] of taken.entries()) {
      for (const payload of payloads)
        bodies.push({ row, payload: { ...payload, body: new Uint8Array(payload.body) } });
    }
    const { draft } = taken[0]?.page ?? createPage();
    return { sheet: draft.sheet(taken.map(({ row }) => row)), bodies };
  }

  /** What is left of the oldest page. Nothing is added to it any more. */
  function nextPage(): Waiting[] {
    writeDown();
    const rows: Waiting[] = [];
    const page = older(successes, notable)?.first()?.page;
    for (;;) {
      const line = older(successes, notable);
      const next = line?.first();
      if (line === null || next === undefined || next.page !== page) break;
      rows.push(next);
      line.shift();
    }
    if (page === open) open = createPage();
    return rows;
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
    writeDown,
    take,
    forget() {
      for (const { payloads } of taken) bytes -= bytesOf(payloads);
      taken = [];
    },
  };
}

/** What one transaction writes. */
interface Page {
  draft: Draft;
  /** Of the bodies that came with its exchanges. */
  bytes: number;
}

function createPage(): Page {
  return { draft: createDraft(), bytes: 0 };
}

interface Waiting {
  arrival: number;
  /** Null once it is written down. */
  exchange: Exchange | null;
  page: Page;
  row: number;
  payloads: readonly Payload[];
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
