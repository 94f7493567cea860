import Type, { type Static } from 'typebox';
import type { LedgerHealth } from './outbox.js';

/** The JSON of the stats API: durations `..._ms`, money `..._usd`, instants ISO 8601, unknown null. */
const NullableNumber = Type.Unsafe<number | null>({ type: ['number', 'null'] });
const NullableString = Type.Unsafe<string | null>({ type: ['string', 'null'] });

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
  attempt_reasons: Type.Record(Type.String(), Type.Number()),
  ...tokens,
  usage_known: Type.Number(),
  cost_usd: NullableNumber,
  cost_known: Type.Number(),
  provider_cost_usd: NullableNumber,
  bytes_in: NullableNumber,
  bytes_out: NullableNumber,
  /** Failed and truncated over all; null when there were none. */
  error_rate: NullableNumber,
  total_ms: Type.Object({ mean: NullableNumber, ...percentiles }),
  first_content_ms: Type.Object(percentiles),
};

/** What is counted for a window or one group of it. */
export const CountersSchema = Type.Object(counters);
export type Counters = Static<typeof CountersSchema>;

/** Counters of one group; only the dimensions asked for are present, null for exchanges without one. */
export const GroupSchema = Type.Object({
  provider: Type.Optional(NullableString),
  model: Type.Optional(NullableString),
  route: Type.Optional(NullableString),
  ...counters,
});
export type Group = Static<typeof GroupSchema>;

/** How the ledger's writer is doing, as `GET /stats` and `GET /health` show it. */
const LedgerStateSchema = Type.Object({
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

/** The answer of `GET /stats`. */
export const StatsSchema = Type.Object({
  since: Type.String(),
  until: Type.String(),
  group_by: Type.Array(Type.String()),
  totals: CountersSchema,
  data: Type.Array(GroupSchema),
  next_cursor: Type.Null(),
  ledger: LedgerStateSchema,
});

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

/** The answer of `GET /exchanges`, newest first. */
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

/** What is stored of a body, without the body. */
export const PayloadSchema = Type.Object({
  kind: Type.String(),
  encoding: Type.String(),
  bytes: Type.Number(),
});

/** The answer of `GET /exchanges/:id`. */
export const ExchangeDetailSchema = Type.Object({
  ...exchange,
  attempts: Type.Array(AttemptSchema),
  payloads: Type.Array(PayloadSchema),
});
export type ExchangeDetail = Static<typeof ExchangeDetailSchema>;
