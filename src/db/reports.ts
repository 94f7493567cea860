import type { Outcome } from '../exchange.js';
import type { Counters, ExchangeDetail, ExchangePage, Group } from './answers.js';

export type { Counters, ExchangeDetail, ExchangePage, Group } from './answers.js';

/** A half-open time range, epoch milliseconds: `since <= started_at < until`. */
export interface Window {
  since: number;
  until: number;
}

/** What statistics can be grouped by. */
export type Dimension = 'provider' | 'model' | 'route';

export interface TotalsQuery {
  window: Window;
  /** No dimension: totals only. */
  groupBy: Dimension[];
  /** Only exchanges of this API key. */
  key?: string;
}

export interface Totals {
  totals: Counters;
  /** One entry per group that ended exchanges or was to try them, the busiest first. */
  data: Group[];
}

/** Which exchanges a list shows; an absent filter shows all. */
export interface ExchangeFilter {
  provider?: string;
  model?: string;
  route?: string;
  outcome?: Outcome;
  /** Name of the API key. */
  key?: string;
  /** Epoch milliseconds, inclusive. */
  since?: number;
  /** Epoch milliseconds, exclusive. */
  until?: number;
}

export interface ExchangeQuery {
  filter: ExchangeFilter;
  limit: number;
  /** The `next_cursor` of the page before, decoded; null for the first page. */
  before: string | null;
}

/**
 * What the ledger can tell. Reads commit nothing and see only what is committed: `ledger.flush()` first to see
 * what was just recorded. Reject with `LLM_GATEWAY_LEDGER_OFF` when there is no database.
 */
export interface Reports {
  /** Exact sums over any window; percentiles within 2 %. */
  totals(query: TotalsQuery): Promise<Totals>;
  /** Newest first. A page may be shorter than the limit and still have a next one when a filter matches little. */
  exchanges(query: ExchangeQuery): Promise<ExchangePage>;
  /** One exchange with its attempts; null when there is none of that id. */
  exchange(id: string): Promise<ExchangeDetail | null>;
}
