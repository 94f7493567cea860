import { QueryError } from '../window.js';
import { parseExchangeCursor, parseSessionCursor } from './cursors.js';
import { parseLimit, type RawQuery, readTexts } from './queries.js';
import type { DetailQuery, ListQuery } from './sessions-read.js';

/** The query of `GET /sessions`. Throws `QueryError`. */
export function parseListQuery({ key, ...rest }: RawQuery): ListQuery {
  const query = readTexts(rest, ['limit', 'cursor']);
  const named = parseKey(key);
  return {
    ...(named !== null && { key: named }),
    limit: parseLimit(query.limit),
    after: parseSessionCursor(query.cursor),
  };
}

/** The query of `GET /sessions/:id`, without the session it names. Throws `QueryError`. */
export function parseDetailQuery({ key: _, ...rest }: RawQuery): Omit<DetailQuery, 'session'> {
  const query = readTexts(rest, ['limit', 'cursor']);
  return { limit: parseLimit(query.limit), before: parseExchangeCursor('newest', query.cursor) };
}

/** The query of `DELETE /sessions/:id` has nothing but the key. Throws `QueryError`. */
export function parseRemovalQuery({ key: _, ...rest }: RawQuery): void {
  readTexts(rest, []);
}

/** Name of a key; empty for callers without one; null when it is not given. Throws `QueryError`. */
export function parseKey(value: unknown): string | null {
  if (value === undefined || typeof value === 'string') return value ?? null;
  throw new QueryError('key', 'key must be given once');
}
