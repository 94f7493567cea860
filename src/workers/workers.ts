import type { LedgerHealth } from '../db/ledger.js';
import { type Sharing, unshared } from './sharing.js';

/** What workers ask each other, and what the answers are. */
export interface Questions {
  /** Writes what is recorded; tells whether it is written. */
  flush: LedgerHealth['status'];
  health: { inFlight: number; ledger: LedgerHealth };
  /** Reads the API keys again. */
  keys: null;
  /** What `GET /stats/availability` counts in each process: calls by provider or target, and who waits by route. */
  traffic: { inFlight: Record<string, number>; waiting: Record<string, number> };
}

/** What is shared, each in a place of its own. */
export const areas = ['limits', 'budgets', 'availability'] as const;
export type Area = (typeof areas)[number];

/** The answers of the other workers. */
export interface Asked<Answer> {
  readonly answers: readonly Answer[];
  /** False when somebody did not answer within a second. */
  readonly complete: boolean;
}

/** The processes that serve one gateway together, as one of them sees the others. */
export interface Workers {
  /** How many there are when all of them run; 1 when this process is alone. */
  readonly count: number;
  /** Whether this is the one that does what is to be done once for all. */
  readonly isFirst: boolean;
  /** Whether nobody served before: not when a worker that died is replaced. */
  readonly isFresh: boolean;
  sharing(area: Area): Sharing;
  /** The others may ask this one from now on. */
  join(): void;
  /** Asks all other workers. Never rejects. */
  ask<Name extends keyof Questions>(question: Name): Promise<Asked<Questions[Name]>>;
  /** Answers one question of the others from now on; an answer that rejects counts as none. */
  answer<Name extends keyof Questions>(question: Name, give: () => Promise<Questions[Name]>): void;
  /** Live exchanges for those that read them at another worker. */
  readonly feed: SharedFeed;
}

/** One exchange that is over, for the readers of its key. */
export interface FeedItem {
  readonly data: string;
  readonly subject: string;
}

export interface SharedFeed {
  /** Whether somebody reads at another worker. */
  readonly isWanted: boolean;
  publish(item: FeedItem): void;
  /** Whether somebody reads here. */
  want(wanted: boolean): void;
  onItem(listener: (item: FeedItem) => void): void;
}

/** A process that serves alone. */
export const alone: Workers = {
  count: 1,
  isFirst: true,
  isFresh: true,
  sharing: () => unshared,
  join: () => {},
  ask: async () => ({ answers: [], complete: true }),
  answer: () => {},
  feed: { isWanted: false, publish: () => {}, want: () => {}, onItem: () => {} },
};
