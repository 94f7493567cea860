import Type, { type Static } from 'typebox';
import { ExchangeSummarySchema } from './answers.js';

const NullableNumber = Type.Unsafe<number | null>({ type: ['number', 'null'] });
const NullableString = Type.Unsafe<string | null>({ type: ['string', 'null'] });

/** What names a session: ids are the caller's, so they are told apart by key. */
export interface SessionName {
  /** Name of the API key; empty for callers without one. */
  key: string;
  id: string;
}

const session = {
  id: Type.String(),
  key: NullableString,
  first_at: Type.String(),
  last_at: Type.String(),
  /** The counts and sums are of all that was recorded, also of exchanges that retention has removed. */
  exchanges: Type.Number(),
  errors: Type.Number(),
  input_uncached_tokens: NullableNumber,
  cache_read_tokens: NullableNumber,
  cache_write_tokens: NullableNumber,
  output_text_tokens: NullableNumber,
  reasoning_tokens: NullableNumber,
  audio_tokens: NullableNumber,
  input_tokens: NullableNumber,
  output_tokens: NullableNumber,
  total_tokens: NullableNumber,
  cost_usd: NullableNumber,
  provider_cost_usd: NullableNumber,
};

/** One session in a list. */
export const SessionSummarySchema = Type.Object(session);
export type SessionSummary = Static<typeof SessionSummarySchema>;

/** The answer of `GET /sessions`, the most recently used first. */
export const SessionListSchema = Type.Object({
  data: Type.Array(SessionSummarySchema),
  next_cursor: NullableString,
});
export type SessionList = Static<typeof SessionListSchema>;

/** The answer of `GET /sessions/:id`: `data` are its exchanges that are still stored, newest first. */
export const SessionDetailSchema = Type.Object({
  ...session,
  data: Type.Array(ExchangeSummarySchema),
  next_cursor: NullableString,
});
export type SessionDetail = Static<typeof SessionDetailSchema>;

/** The answer of `DELETE /sessions/:id`. */
export const SessionRemovalSchema = Type.Object({
  id: Type.String(),
  key: NullableString,
  /** Exchanges that belong to no session any more; they stay. */
  exchanges_detached: Type.Number(),
  payloads_removed: Type.Number(),
});
