import { QueryError } from '../window.js';
import type { ExchangeSort, SessionQuery } from './reports.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PLACE = /^(\d{1,16})\.(\d{1,16})$/;

/** Opaque to clients: the id they saw last, and in which order. */
export function exchangeCursor(sort: ExchangeSort, id: string): string {
  return encode(`${sort} ${id}`);
}

/** The id in a cursor of `GET /exchanges`. Throws `QueryError`. */
export function parseExchangeCursor(sort: ExchangeSort, text: string | undefined): string | null {
  if (text === undefined) return null;
  const [order, id = ''] = decode(text).split(' ');
  if (order === sort && UUID.test(id)) return id;
  throw wrongCursor();
}

/** Opaque to clients: when the session they saw last was active, and its number. */
export function sessionCursor({ lastAt, seq }: { lastAt: number; seq: number }): string {
  return encode(`${lastAt}.${seq}`);
}

/** The place in a cursor of `GET /stats/sessions`. Throws `QueryError`. */
export function parseSessionCursor(text: string | undefined): SessionQuery['after'] {
  if (text === undefined) return null;
  const [, lastAt, seq] = PLACE.exec(decode(text)) ?? [];
  if (lastAt !== undefined && seq !== undefined) return { lastAt: Number(lastAt), seq: Number(seq) };
  throw wrongCursor();
}

function wrongCursor(): QueryError {
  return new QueryError('cursor', 'cursor must be the next_cursor of an earlier page in the same order');
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function decode(text: string): string {
  return Buffer.from(text, 'base64url').toString();
}
