import type { Database } from 'better-sqlite3';
import { idFloor } from './ids.js';
import { preparePayloadRemoval } from './payload-remove.js';
import { repeat, within } from './step.js';

/** What is kept. Null: without end. */
export interface RetentionPolicy {
  /** Age of exchanges, their attempts and their sessions, in milliseconds. */
  readonly exchanges: number | null;
  /** Age of stored bodies, in milliseconds. */
  readonly payloads: number | null;
  /** Size of the database, in bytes: the oldest bodies go first, then the oldest exchanges. */
  readonly maxSize: number | null;
}

/** What one step removed. */
export interface RetentionStep {
  payloads: number;
  exchanges: number;
  sessions: number;
  /** Bytes given back to the file system. */
  freed: number;
  /** Whether there is more to do now. */
  more: boolean;
}

export interface RetentionOrder {
  policy: RetentionPolicy;
  /** Epoch milliseconds. */
  now: number;
  /** How long the step may take, in milliseconds; it takes about a millisecond longer. */
  budgetMs: number;
  /** Share of the file that may stay empty, for the rows to come. */
  slack: number;
}

/** Rows in one transaction: less than a millisecond of work, so that a writer in another process gets its turn. */
const CHUNK_ROWS = 20;
/** A body of a megabyte takes longer than all the others; the rest waits for the next transaction. */
const CHUNK_MS = 2;
/** Rows looked at to find those of a transaction. */
const SCAN_ROWS = 200;
/** Sessions are small. */
const CHUNK_SESSIONS = 100;
/** Pages moved in one transaction. */
const CHUNK_PAGES = 32;
/** Fewer empty pages than this are not worth the work. */
const MIN_EMPTY_PAGES = 256;
/** No UUID sorts after it. */
const LAST_ID = 'g';
const HOUR_MS = 3_600_000;

/**
 * Prepares retention in steps. Removes what is too old or too much, in small transactions, and then gives the emptied
 * pages back; rollups stay. Ages end at whole hours, so that no hour is half there.
 */
export function prepareRetention(client: Database): (order: RetentionOrder) => RetentionStep {
  // By arrival, which is nearly by age: nothing sorts bodies by age. Some that a wrong clock has made young are passed over.
  const oldestCaptures = client
    .prepare<[string, number], number>(
      `select exchanges.seq
       from (select distinct exchange_seq as seq from captures order by exchange_seq limit ${SCAN_ROWS}) as oldest
         join exchanges on exchanges.seq = oldest.seq
       where exchanges.id < ? order by exchanges.seq limit ?`,
    )
    .pluck();
  const oldestExchanges = client
    .prepare<[string, number], number>('select seq from exchanges where id < ? order by id limit ?')
    .pluck();
  const removeExchange = client.prepare<[number]>('delete from exchanges where seq = ?');
  const removeSessions = client.prepare<[number, number]>(
    'delete from sessions where seq in (select seq from sessions where last_at < ? order by last_at limit ?)',
  );
  const removePayloads = preparePayloadRemoval(client);
  const space = prepareSpace(client);

  const chunkOfPayloads = client.transaction((before: string): number => {
    let removed = 0;
    within(CHUNK_MS, oldestCaptures.all(before, CHUNK_ROWS), (seq) => {
      removed += removePayloads(seq);
    });
    return removed;
  });

  const chunkOfExchanges = client.transaction((before: string) => {
    const removed = { exchanges: 0, payloads: 0 };
    within(CHUNK_MS, oldestExchanges.all(before, CHUNK_ROWS), (seq) => {
      removed.payloads += removePayloads(seq);
      removeExchange.run(seq);
      removed.exchanges += 1;
    });
    return removed;
  });

  return ({ policy, now, budgetMs, slack }) => {
    const step: RetentionStep = { payloads: 0, exchanges: 0, sessions: 0, freed: 0, more: false };
    const floors = { payloads: floorOf(policy.payloads, now), exchanges: floorOf(policy.exchanges, now) };

    function someExchanges(before: string): boolean {
      const { exchanges, payloads } = chunkOfExchanges.immediate(before);
      step.exchanges += exchanges;
      step.payloads += payloads;
      return exchanges > 0;
    }

    function somePayloads(before: string): boolean {
      const removed = chunkOfPayloads.immediate(before);
      step.payloads += removed;
      return removed > 0;
    }

    function someSessions(): boolean {
      if (policy.exchanges === null) return false;
      const removed = removeSessions.run(wholeHour(now - policy.exchanges), CHUNK_SESSIONS).changes;
      step.sessions += removed;
      return removed > 0;
    }

    /** One chunk of the first thing that there is to do; false when there is nothing. */
    function chunk(): boolean {
      if (floors.payloads !== null && somePayloads(floors.payloads)) return true;
      if (floors.exchanges !== null && someExchanges(floors.exchanges)) return true;
      if (someSessions()) return true;
      if (policy.maxSize !== null && space.used() > policy.maxSize * (1 - slack)) {
        if (somePayloads(LAST_ID) || someExchanges(LAST_ID)) return true;
      }
      const freed = space.giveBack(slack);
      step.freed += freed;
      return freed > 0;
    }

    repeat(budgetMs, () => {
      step.more = chunk();
      return step.more;
    });
    return step;
  };
}

/** The id before which exchanges are too old; null when none is. */
export function floorOf(age: number | null, now: number): string | null {
  return age === null ? null : idFloor(wholeHour(now - age));
}

function wholeHour(instant: number): number {
  return Math.floor(instant / HOUR_MS) * HOUR_MS;
}

/** Whether the file of this database can shrink page by page, which has to be so from its beginning. */
export function canShrink(client: Database): boolean {
  return client.pragma('auto_vacuum', { simple: true }) === 2;
}

/** The pages of a database. */
function prepareSpace(client: Database) {
  const read = (name: string) => Number(client.pragma(name, { simple: true }));
  const pageSize = read('page_size');
  const shrinks = canShrink(client);

  return {
    /** Bytes in use. */
    used: () => (read('page_count') - read('freelist_count')) * pageSize,
    /** Gives some of the empty pages back, unless they are no more than `slack` of all; returns the bytes. */
    giveBack(slack: number): number {
      if (!shrinks) return 0;
      const [pages, empty] = [read('page_count'), read('freelist_count')];
      const least = slack === 0 ? 0 : Math.max(MIN_EMPTY_PAGES, pages * slack);
      if (empty <= least) return 0;
      client.pragma(`incremental_vacuum(${CHUNK_PAGES})`);
      return (pages - read('page_count')) * pageSize;
    },
  };
}
