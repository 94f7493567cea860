import type { Outcome } from '../exchange.js';
import type { Counters, ExchangeDetail, ExchangePage, Group, Series, SessionPage } from './answers.js';
import type { Dimension } from './views.js';

export type { Counters, ExchangeDetail, ExchangePage, Group, SessionPage } from './answers.js';
export type { Dimension } from './views.js';

/** A half-open time range, epoch milliseconds: `since <= started_at < until`. */
export interface Window {
  since: number;
  until: number;
}

/** Which exchanges are counted: those that have these values. Streaming is `1` or `0`. */
export type TotalsFilter = Partial<Record<Dimension, string>>;

export interface TotalsQuery {
  /** Whole minutes within the last 48 hours, whole hours before: `alignWindow` makes it so. */
  window: Window;
  /** No dimension: totals only. */
  groupBy: Dimension[];
  filter?: TotalsFilter;
  /** Length of a point of the time series, milliseconds, which divides the window; without it there is none. */
  step?: number;
}

export interface Totals {
  totals: Counters;
  /** The beginning of every point of the time series, ISO 8601; empty when none was asked for. */
  times: string[];
  /** The time series of everything together; null when none was asked for, or one for each group. */
  series: Series | null;
  /** One entry per group that ended exchanges or was to try them, the busiest first. */
  data: Group[];
}

/** Which exchanges a list shows; an absent filter shows all. */
export interface ExchangeFilter {
  provider?: string;
  model?: string;
  route?: string;
  key?: string;
  session?: string;
  outcome?: Outcome;
  /** The HTTP status the client got. */
  status?: number;
  /** At least this many milliseconds in all. */
  minTotalMs?: number;
  /** A part of the error's code or message, without regard to the case of ASCII letters. Never an `ok` exchange. */
  error?: string;
  /** Epoch milliseconds, inclusive. */
  since?: number;
  /** Epoch milliseconds, exclusive. */
  until?: number;
}

/** In which order exchanges are listed: by their ids, which sort by start time. */
export type ExchangeSort = 'newest' | 'oldest';

export interface ExchangeQuery {
  filter: ExchangeFilter;
  limit: number;
  /** Default `newest`. */
  sort?: ExchangeSort;
  /** The id after which the page begins: the decoded `next_cursor` of the page before; null for the first page. */
  after: string | null;
}

export interface SessionQuery {
  window: Window;
  /** Only sessions of this API key. */
  key?: string;
  limit: number;
  /** The `next_cursor` of the page before, decoded; null for the first page. */
  after: { lastAt: number; seq: number } | null;
}

export type ExportFormat = 'jsonl' | 'csv';

export interface ExportQuery extends ExchangeQuery {
  format: ExportFormat;
}

/** A part of an export. */
export interface ExportPart {
  text: string;
  /** What the next part begins after; null when this is the last. */
  after: string | null;
}

/** A question whose answer is wanted as JSON. */
export type Question =
  | { report: 'totals'; query: TotalsQuery }
  | { report: 'exchanges'; query: ExchangeQuery }
  | { report: 'sessions'; query: SessionQuery };

/**
 * What the ledger can tell. Reads commit nothing and see only what is committed: `ledger.flush()` first to see
 * what was just recorded. Reject with `LLM_GATEWAY_LEDGER_OFF` when there is no database.
 */
export interface Reports {
  /**
   * Sums over every exchange there ever was, whether or not its row is still there; percentiles within 2 %. Rejects
   * with `LLM_GATEWAY_TOO_MANY_POINTS` when the time series of all groups would have more than 50 000 points.
   */
  totals(query: TotalsQuery): Promise<Totals>;
  /**
   * One page of at most `limit`. A page may be shorter than that, even empty, and still have a next one: when a filter
   * matches little, no more than some thousand rows are looked at for one page.
   */
  exchanges(query: ExchangeQuery): Promise<ExchangePage>;
  /** One exchange with its attempts; null when there is none of that id. */
  exchange(id: string): Promise<ExchangeDetail | null>;
  /** Sessions with exchanges in a window, the latest first, with sums over the rows that are still there. */
  sessions(query: SessionQuery): Promise<SessionPage>;
  /** Part of an export: up to `limit` exchanges as lines of JSON or CSV, without a head line. */
  export(query: ExportQuery): Promise<ExportPart>;
  /**
   * The same as the bytes of its JSON, made in the thread that reads and handed over without a copy: a large answer
   * would hold up the event loop.
   */
  json(question: Question): Promise<Uint8Array>;
  /**
   * Removes an exchange with its attempts and its links to payloads; false when there is none of that id. What it
   * added to the statistics stays.
   */
  remove(id: string): Promise<boolean>;
}
