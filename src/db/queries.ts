import type { Outcome } from '../exchange.js';
import { parseInstant, parseWindow, QueryError, requireOrder } from '../window.js';
import type { Dimension, ExchangeFilter, ExchangeQuery, TotalsQuery } from './reports.js';

/** A parsed query string: every value is text, or a list when a parameter was repeated. */
export type RawQuery = Readonly<Record<string, unknown>>;

const DIMENSIONS: readonly Dimension[] = ['provider', 'model', 'route'];
const OUTCOMES: readonly Outcome[] = ['ok', 'rejected', 'failed', 'aborted', 'truncated'];
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The query of `GET /stats`; with `grouping` given, `group_by` is not a parameter. Throws `QueryError`. */
export function parseTotalsQuery(raw: RawQuery, now: number, grouping?: Dimension): TotalsQuery {
  const query = readTexts(raw, grouping ? ['since', 'until'] : ['since', 'until', 'group_by']);
  return {
    window: parseWindow(query.since, query.until, now),
    groupBy: grouping ? [grouping] : parseGroupBy(query.group_by),
  };
}

/** The query of `GET /exchanges`. Throws `QueryError`. */
export function parseExchangeQuery(raw: RawQuery, now: number): ExchangeQuery {
  const names = ['limit', 'cursor', 'provider', 'model', 'route', 'outcome', 'since', 'until'] as const;
  const query = readTexts(raw, names);
  const filter: ExchangeFilter = {};
  for (const name of DIMENSIONS) {
    if (query[name] !== undefined) filter[name] = query[name];
  }
  if (query.outcome !== undefined) filter.outcome = oneOf('outcome', query.outcome, OUTCOMES);
  if (query.since !== undefined) filter.since = parseInstant('since', query.since, now);
  if (query.until !== undefined) filter.until = parseInstant('until', query.until, now);
  requireOrder({ since: filter.since ?? -1, until: filter.until ?? Number.POSITIVE_INFINITY });
  return { filter, limit: parseLimit(query.limit), before: parseCursor(query.cursor) };
}

/** Unknown, repeated and empty parameters are mistakes that an answer would hide. */
function readTexts<Name extends string>(
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

function parseLimit(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new QueryError(
    'limit',
    `limit must be a whole number from 1 to ${MAX_LIMIT}, got ${JSON.stringify(text)}`,
  );
}

function parseCursor(text: string | undefined): string | null {
  if (text === undefined) return null;
  const id = Buffer.from(text, 'base64url').toString();
  if (UUID.test(id)) return id;
  throw new QueryError('cursor', 'cursor must be the next_cursor of an earlier page');
}
