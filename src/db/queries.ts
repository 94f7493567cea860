import type { Outcome } from '../exchange.js';
import {
  alignWindow,
  parseInstant,
  parseInterval,
  parseWindow,
  QueryError,
  requireOrder,
} from '../window.js';
import { parseExchangeCursor, parseSessionCursor } from './cursors.js';
import type {
  ExchangeFilter,
  ExchangeQuery,
  ExchangeSort,
  ExportFormat,
  SessionQuery,
  TotalsFilter,
  TotalsQuery,
} from './reports.js';
import { DIMENSIONS, type Dimension } from './views.js';

/** A parsed query string: every value is text, or a list when a parameter was repeated. */
export type RawQuery = Readonly<Record<string, unknown>>;

const OUTCOMES: readonly Outcome[] = ['ok', 'rejected', 'failed', 'aborted', 'truncated'];
const SORTS = new Map<string, ExchangeSort>([
  ['-started_at', 'newest'],
  ['started_at', 'oldest'],
]);
const FORMATS: readonly ExportFormat[] = ['jsonl', 'csv'];
const NAMED = ['provider', 'model', 'route', 'key'] as const;
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;
/** How many exchanges an export reads at once; a few milliseconds. */
const EXPORT_LIMIT = 500;
const MAX_ERROR_TEXT = 200;

const STATS_PARAMETERS = ['since', 'until', 'interval', ...DIMENSIONS] as const;
const FILTER_PARAMETERS = [
  ...NAMED,
  'session',
  'outcome',
  'status',
  'min_total_ms',
  'error',
  'since',
  'until',
] as const;
const LIST_PARAMETERS = ['limit', 'cursor', 'sort', ...FILTER_PARAMETERS] as const;

/** The query of `GET /stats`; with `grouping` given, `group_by` is not a parameter. Throws `QueryError`. */
export function parseTotalsQuery(raw: RawQuery, now: number, grouping?: Dimension): TotalsQuery {
  const query = readTexts(raw, grouping ? STATS_PARAMETERS : [...STATS_PARAMETERS, 'group_by' as const]);
  const step = query.interval === undefined ? undefined : parseInterval(query.interval);
  return {
    window: alignWindow(parseWindow(query.since, query.until, now), now, step),
    groupBy: grouping ? [grouping] : parseGroupBy(query.group_by),
    filter: parseTotalsFilter(query),
    ...(step !== undefined && { step }),
  };
}

function parseTotalsFilter(query: Partial<Record<Dimension, string>>): TotalsFilter {
  const filter: TotalsFilter = {};
  for (const name of NAMED) if (query[name] !== undefined) filter[name] = query[name];
  if (query.outcome !== undefined) filter.outcome = oneOf('outcome', query.outcome, OUTCOMES);
  if (query.streaming !== undefined) {
    filter.streaming = oneOf('streaming', query.streaming, ['true', 'false']) === 'true' ? '1' : '0';
  }
  return filter;
}

/** The query of `GET /exchanges`. Throws `QueryError`. */
export function parseExchangeQuery(raw: RawQuery, now: number): ExchangeQuery {
  const query = readTexts(raw, LIST_PARAMETERS);
  const sort = parseSort(query.sort);
  return {
    filter: parseFilter(query, now),
    limit: parseLimit(query.limit),
    sort,
    after: parseExchangeCursor(sort, query.cursor),
  };
}

/** The query of `GET /exchanges/export`, which begins at the beginning. Throws `QueryError`. */
export function parseExportQuery(raw: RawQuery, now: number): ExchangeQuery & { format: ExportFormat } {
  const query = readTexts(raw, ['format', 'sort', ...FILTER_PARAMETERS]);
  return {
    filter: parseFilter(query, now),
    format: oneOf('format', query.format ?? 'jsonl', FORMATS),
    limit: EXPORT_LIMIT,
    sort: parseSort(query.sort),
    after: null,
  };
}

/** The query of `GET /stats/sessions`. Throws `QueryError`. */
export function parseSessionQuery(raw: RawQuery, now: number): SessionQuery {
  const query = readTexts(raw, ['since', 'until', 'limit', 'cursor']);
  return {
    window: parseWindow(query.since, query.until, now),
    limit: parseLimit(query.limit),
    after: parseSessionCursor(query.cursor),
  };
}

type FilterTexts = Partial<Record<(typeof FILTER_PARAMETERS)[number], string>>;

function parseFilter(query: FilterTexts, now: number): ExchangeFilter {
  const filter: ExchangeFilter = {};
  for (const name of [...NAMED, 'session'] as const) {
    if (query[name] !== undefined) filter[name] = query[name];
  }
  if (query.outcome !== undefined) filter.outcome = oneOf('outcome', query.outcome, OUTCOMES);
  if (query.status !== undefined) filter.status = wholeNumber('status', query.status, 100, 599);
  if (query.min_total_ms !== undefined) {
    filter.minTotalMs = wholeNumber('min_total_ms', query.min_total_ms, 0, 1e9);
  }
  if (query.error !== undefined) filter.error = parseErrorText(query.error);
  if (query.since !== undefined) filter.since = parseInstant('since', query.since, now);
  if (query.until !== undefined) filter.until = parseInstant('until', query.until, now);
  requireOrder({ since: filter.since ?? -1, until: filter.until ?? Number.POSITIVE_INFINITY });
  return filter;
}

/** Unknown, repeated and empty parameters are mistakes that an answer would hide. */
export function readTexts<Name extends string>(
  raw: RawQuery,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const texts: Partial<Record<Name, string>> = {};
  for (const [key, value] of Object.entries(raw)) {
    const name = oneOf('query parameter', key, names, key);
    if (typeof value !== 'string' || value === '') {
      throw new QueryError(name, `${name} must be given once and not be empty`);
    }
    texts[name] = value;
  }
  return texts;
}

function oneOf<Name extends string>(what: string, text: string, names: readonly Name[], param = what): Name {
  const found = names.find((name) => name === text);
  if (found !== undefined) return found;
  throw new QueryError(param, `${what} must be one of ${names.join(', ')}, got ${JSON.stringify(text)}`);
}

function parseGroupBy(text: string | undefined): Dimension[] {
  const names = text?.split(',').map((name) => oneOf('group_by', name.trim(), DIMENSIONS)) ?? [];
  return [...new Set(names)];
}

function parseSort(text: string | undefined): ExchangeSort {
  return SORTS.get(oneOf('sort', text ?? '-started_at', [...SORTS.keys()])) ?? 'newest';
}

export function parseLimit(text: string | undefined): number {
  return text === undefined ? DEFAULT_LIMIT : wholeNumber('limit', text, 1, MAX_LIMIT);
}

function parseErrorText(text: string): string {
  if (text.length <= MAX_ERROR_TEXT) return text;
  throw new QueryError('error', `error must have at most ${MAX_ERROR_TEXT} characters, got ${text.length}`);
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new QueryError(
    name,
    `${name} must be a whole number from ${least} to ${most}, got ${JSON.stringify(text)}`,
  );
}
