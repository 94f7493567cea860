import Type, { type Static } from 'typebox';
import type { LedgerHealth } from './outbox.js';

/** The JSON of the stats API: durations `..._ms`, money `..._usd`, instants ISO 8601, unknown null. */
const NullableNumber = Type.Unsafe<number | null>({ type: ['number', 'null'] });
const NullableString = Type.Unsafe<string | null>({ type: ['string', 'null'] });
const NullableNumbers = Type.Array(NullableNumber);
const Counts = Type.Record(Type.String(), Type.Number());

const tokens = {
  input_uncached_tokens: NullableNumber,
  cache_read_tokens: NullableNumber,
  cache_write_tokens: NullableNumber,
  output_text_tokens: NullableNumber,
  reasoning_tokens: NullableNumber,
  audio_tokens: NullableNumber,
  /** Uncached, cache read and cache write together; audio is in neither sum because it is both in and out. */
  input_tokens: NullableNumber,
  output_tokens: NullableNumber,
  total_tokens: NullableNumber,
};

const percentiles = { p50: NullableNumber, p90: NullableNumber, p95: NullableNumber, p99: NullableNumber };

const counters = {
  exchanges: Type.Number(),
  ok: Type.Number(),
  rejected: Type.Number(),
  failed: Type.Number(),
  aborted: Type.Number(),
  truncated: Type.Number(),
  /** Tries sent to this provider, model or route, also those of exchanges that ended elsewhere. */
  attempts: Type.Number(),
  /** How often it was passed over without a try. */
  skipped: Type.Number(),
  /** Attempts without a whole answer, whoever broke them off. */
  failed_attempts: Type.Number(),
  /** How many failed and skipped for each reason; they sum up to the two counts above. */
  attempt_reasons: Counts,
  /** How many exchanges ended for each reason, but for the complete ones. */
  end_reasons: Counts,
  ...tokens,
  usage_known: Type.Number(),
  /** Input tokens that came from a cache, over all input tokens. */
  cache_hit_share: NullableNumber,
  cost_usd: NullableNumber,
  cost_known: Type.Number(),
  provider_cost_usd: NullableNumber,
  /** What providers reported less what was computed, over the `cost_difference_known` exchanges that have both. */
  cost_difference_usd: NullableNumber,
  cost_difference_known: Type.Number(),
  /** What the dearest target that could have answered would have cost more, over `savings_known` exchanges. */
  savings_usd: NullableNumber,
  savings_known: Type.Number(),
  bytes_in: NullableNumber,
  bytes_out: NullableNumber,
  /** Failed and truncated over all; null when there were none. */
  error_rate: NullableNumber,
  /** Output tokens of streams over the time from their first content to their last byte. */
  tokens_per_second: NullableNumber,
  total_ms: Type.Object({ mean: NullableNumber, ...percentiles }),
  first_content_ms: Type.Object(percentiles),
};

/** What is counted for a window or one group of it. */
const CountersSchema = Type.Object(counters);
export type Counters = Static<typeof CountersSchema>;

const percentileLists = {
  p50: NullableNumbers,
  p90: NullableNumbers,
  p95: NullableNumbers,
  p99: NullableNumbers,
};

/**
 * A time series by columns: each list has one number for each of the answer's `times`. Where nothing happened, counts
 * are 0 and everything else is null.
 */
export const SeriesSchema = Type.Object({
  exchanges: Type.Array(Type.Number()),
  ok: Type.Array(Type.Number()),
  rejected: Type.Array(Type.Number()),
  failed: Type.Array(Type.Number()),
  aborted: Type.Array(Type.Number()),
  truncated: Type.Array(Type.Number()),
  error_rate: NullableNumbers,
  input_tokens: NullableNumbers,
  output_tokens: NullableNumbers,
  cost_usd: NullableNumbers,
  tokens_per_second: NullableNumbers,
  total_ms: Type.Object({ mean: NullableNumbers, ...percentileLists }),
  first_content_ms: Type.Object(percentileLists),
});
export type Series = Static<typeof SeriesSchema>;

/** Counters of one group; only the dimensions asked for are present, null for exchanges without one. */
const GroupSchema = Type.Object({
  provider: Type.Optional(NullableString),
  model: Type.Optional(NullableString),
  route: Type.Optional(NullableString),
  key: Type.Optional(NullableString),
  outcome: Type.Optional(Type.String()),
  streaming: Type.Optional(Type.Boolean()),
  ...counters,
  series: Type.Optional(SeriesSchema),
});
export type Group = Static<typeof GroupSchema>;

/** How the ledger's writer is doing, as `GET /stats` and `GET /health` show it. */
export const LedgerStateSchema = Type.Object({
  status: Type.String(),
  queued: Type.Number(),
  written: Type.Number(),
  dropped: Type.Number(),
  shed_successes: Type.Number(),
  shed_payloads: Type.Number(),
  unconfirmed: Type.Number(),
});

/** The writer's state without the text of its error, which may name files of the operator. */
export function ledgerState(health: LedgerHealth): Static<typeof LedgerStateSchema> {
  const { status, queued, written, dropped, shedSuccesses, shedPayloads, unconfirmed } = health;
  return {
    status,
    queued,
    written,
    dropped,
    shed_successes: shedSuccesses,
    shed_payloads: shedPayloads,
    unconfirmed,
  };
}

/** The answer of `GET /stats`. `since` and `until` are those of the spans that were counted. */
export const StatsSchema = Type.Object({
  since: Type.String(),
  until: Type.String(),
  group_by: Type.Array(Type.String()),
  /** Length of a point of the time series, null when there is none. */
  interval_ms: NullableNumber,
  ledger: LedgerStateSchema,
  totals: CountersSchema,
  /** The beginning of each point. */
  times: Type.Array(Type.String()),
  /** The time series of everything together; with `group_by`, each group has its own instead. */
  series: Type.Union([SeriesSchema, Type.Null()]),
  data: Type.Array(GroupSchema),
  next_cursor: Type.Null(),
});

/** Sums over the exchanges of a session that started in the window and are still stored. */
const SessionCountersSchema = Type.Object({
  session: Type.String(),
  key: NullableString,
  first_at: Type.String(),
  last_at: Type.String(),
  ...counters,
});

/** A page of sessions, the latest first. */
export const SessionPageSchema = Type.Object({
  data: Type.Array(SessionCountersSchema),
  next_cursor: NullableString,
});
export type SessionPage = Static<typeof SessionPageSchema>;

const exchange = {
  id: Type.String(),
  correlation_id: NullableString,
  started_at: Type.String(),
  key: NullableString,
  session: NullableString,
  method: Type.String(),
  endpoint: Type.String(),
  streaming: Type.Boolean(),
  requested_model: NullableString,
  route: NullableString,
  strategy: NullableString,
  policy: NullableString,
  complexity: NullableNumber,
  tier: NullableString,
  provider: NullableString,
  model: NullableString,
  response_model: NullableString,
  upstream_response_id: NullableString,
  status: NullableNumber,
  upstream_status: NullableNumber,
  outcome: Type.String(),
  end_reason: Type.String(),
  error_code: NullableString,
  error_message: NullableString,
  finish_reason: NullableString,
  ...tokens,
  usage_source: Type.String(),
  cost_usd: NullableNumber,
  provider_cost_usd: NullableNumber,
  dearest_cost_usd: NullableNumber,
  price_source: NullableString,
  attempts: Type.Number(),
  queue_ms: NullableNumber,
  connect_ms: NullableNumber,
  headers_ms: NullableNumber,
  first_content_ms: NullableNumber,
  last_byte_ms: NullableNumber,
  commit_ms: NullableNumber,
  total_ms: NullableNumber,
  overhead_ms: NullableNumber,
  lag_ms: NullableNumber,
  bytes_in: NullableNumber,
  bytes_out: NullableNumber,
  chunks: NullableNumber,
  largest_gap_ms: NullableNumber,
};

/** One exchange in a list; `attempts` is their number. */
export const ExchangeSummarySchema = Type.Object(exchange);
export type ExchangeSummary = Static<typeof ExchangeSummarySchema>;

/** The answer of `GET /exchanges`. */
export const ExchangePageSchema = Type.Object({
  data: Type.Array(ExchangeSummarySchema),
  next_cursor: NullableString,
});
export type ExchangePage = Static<typeof ExchangePageSchema>;

/** One try or skip. */
export const AttemptSchema = Type.Object({
  number: Type.Number(),
  provider: Type.String(),
  model: Type.String(),
  decision: Type.String(),
  reason: NullableString,
  status: NullableNumber,
  error: NullableString,
  started_ms: NullableNumber,
  headers_ms: NullableNumber,
  first_content_ms: NullableNumber,
  total_ms: NullableNumber,
  /** The rate-limit headers the upstream sent. */
  rate_limit: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
  /** What the exchange costs, on the attempt that answered it. */
  cost_usd: NullableNumber,
});

/** A stored body, without credentials and without what the configuration says to leave out. */
const PayloadSchema = Type.Object({
  /** `text`, or `base64` when it is no UTF-8. */
  encoding: Type.Enum(['text', 'base64']),
  body: Type.String(),
  /** How long it was before anything was left out. */
  bytes: Type.Number(),
  /** Whether its end is missing. */
  truncated: Type.Boolean(),
});
export type StoredPayload = Static<typeof PayloadSchema>;

const NullablePayload = Type.Union([PayloadSchema, Type.Null()]);
const PayloadsSchema = Type.Object({
  request: NullablePayload,
  /** Of a stream, the answer that its events made up. */
  response: NullablePayload,
  events: NullablePayload,
});
export type StoredPayloads = Static<typeof PayloadsSchema>;

const rates = {
  input: NullableNumber,
  output: NullableNumber,
  cached_input: NullableNumber,
  cache_write: NullableNumber,
  reasoning: NullableNumber,
  audio_input: NullableNumber,
  audio_output: NullableNumber,
};

/** The price that a cost was computed with: USD for a million tokens, and for a request. */
const PriceSchema = Type.Object({
  ...rates,
  request: NullableNumber,
  /** For requests with more input tokens than `above`. */
  tiers: Type.Array(Type.Object({ above: Type.Number(), ...rates })),
});
export type PriceJson = Static<typeof PriceSchema>;

/** The answer of `GET /exchanges/:id`. */
export const ExchangeDetailSchema = Type.Object({
  ...exchange,
  price: Type.Union([PriceSchema, Type.Null()]),
  attempts: Type.Array(AttemptSchema),
  payloads: PayloadsSchema,
});
export type ExchangeDetail = Static<typeof ExchangeDetailSchema>;
