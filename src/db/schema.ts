import {
  blob,
  index,
  integer,
  primaryKey,
  real,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core';
import type { EndReason, Outcome, UsageSource } from '../exchange.js';

/**
 * One row per exchange, written once at its end. Instants are epoch milliseconds, durations microseconds,
 * money nano-USD. `id` is a UUIDv7, so its unique index is the time index too.
 */
export const exchanges = sqliteTable('exchanges', {
  seq: integer('seq').primaryKey(),
  id: text('id').notNull().unique(),
  startedAt: integer('started_at').notNull(),
  correlationId: text('correlation_id'),
  key: text('key'),
  session: text('session'),
  method: text('method').notNull(),
  endpoint: text('endpoint').notNull(),
  streaming: integer('streaming', { mode: 'boolean' }).notNull(),
  requestedModel: text('requested_model'),
  route: text('route'),
  policy: text('policy'),
  strategy: text('strategy'),
  complexity: real('complexity'),
  tier: text('tier'),
  provider: text('provider'),
  model: text('model'),
  responseModel: text('response_model'),
  upstreamResponseId: text('upstream_response_id'),
  status: integer('status'),
  upstreamStatus: integer('upstream_status'),
  outcome: text('outcome').$type<Outcome>().notNull(),
  endReason: text('end_reason').$type<EndReason>().notNull(),
  errorCode: text('error_code'),
  errorMessage: text('error_message'),
  finishReason: text('finish_reason'),
  inputUncachedTokens: integer('input_uncached_tokens'),
  cacheReadTokens: integer('cache_read_tokens'),
  cacheWriteTokens: integer('cache_write_tokens'),
  outputTextTokens: integer('output_text_tokens'),
  reasoningTokens: integer('reasoning_tokens'),
  audioTokens: integer('audio_tokens'),
  usageSource: text('usage_source').$type<UsageSource>().notNull(),
  costNano: integer('cost_nano'),
  providerCostNano: integer('provider_cost_nano'),
  priceSource: text('price_source'),
  attempts: integer('attempts').notNull(),
  queueUs: integer('queue_us'),
  connectUs: integer('connect_us'),
  headersUs: integer('headers_us'),
  firstContentUs: integer('first_content_us'),
  lastByteUs: integer('last_byte_us'),
  commitUs: integer('commit_us'),
  totalUs: integer('total_us'),
  overheadUs: integer('overhead_us'),
  lagUs: integer('lag_us'),
  bytesIn: integer('bytes_in'),
  bytesOut: integer('bytes_out'),
  chunks: integer('chunks'),
  largestGapUs: integer('largest_gap_us'),
});

/** One row per try or skip of an exchange. */
export const attempts = sqliteTable(
  'attempts',
  {
    exchangeSeq: integer('exchange_seq')
      .notNull()
      .references(() => exchanges.seq, { onDelete: 'cascade' }),
    number: integer('number').notNull(),
    provider: text('provider').notNull(),
    model: text('model').notNull(),
    decision: text('decision').$type<'sent' | 'skipped'>().notNull(),
    reason: text('reason'),
    status: integer('status'),
    error: text('error'),
    startedUs: integer('started_us').notNull(),
    headersUs: integer('headers_us'),
    firstContentUs: integer('first_content_us'),
    totalUs: integer('total_us'),
    /** JSON text of the rate-limit headers. */
    rateLimit: text('rate_limit'),
    /** Of the attempt that answered; nano-USD. */
    costNano: integer('cost_nano'),
  },
  (table) => [index('attempts_exchange').on(table.exchangeSeq)],
);

/** Stored bodies, content-addressed: equal bodies are stored once. */
export const payloads = sqliteTable('payloads', {
  /** sha256 of the body before compression. */
  hash: blob('hash', { mode: 'buffer' }).primaryKey(),
  encoding: text('encoding').notNull(),
  /** Size before compression. */
  bytes: integer('bytes').notNull(),
  body: blob('body', { mode: 'buffer' }).notNull(),
  createdAt: integer('created_at').notNull(),
});

/** Which exchange sent or received which payload. */
export const exchangePayloads = sqliteTable(
  'exchange_payloads',
  {
    exchangeSeq: integer('exchange_seq')
      .notNull()
      .references(() => exchanges.seq, { onDelete: 'cascade' }),
    kind: text('kind').$type<'request' | 'response'>().notNull(),
    hash: blob('hash', { mode: 'buffer' })
      .notNull()
      .references(() => payloads.hash),
  },
  (table) => [
    primaryKey({ columns: [table.exchangeSeq, table.kind] }),
    index('exchange_payloads_hash').on(table.hash),
  ],
);

/**
 * Conversations by the id the client gave, apart for each API key. No foreign key leads here:
 * removing a session must never remove rows of the ledger.
 */
export const sessions = sqliteTable(
  'sessions',
  {
    seq: integer('seq').primaryKey(),
    /** Name of the API key, empty for anonymous callers. */
    key: text('key').notNull(),
    id: text('id').notNull(),
    firstAt: integer('first_at').notNull(),
    lastAt: integer('last_at').notNull(),
  },
  (table) => [uniqueIndex('sessions_key_id').on(table.key, table.id)],
);

/**
 * Sums per hour and dimension, kept in the transaction that writes the rows they sum. Dimensions are never null
 * (empty text instead) because SQLite holds two nulls in a primary key to be different. Sums that may be
 * unknown are null until one exchange knew.
 */
export const rollups = sqliteTable(
  'rollups',
  {
    /** Start of the hour, epoch milliseconds. */
    hour: integer('hour').notNull(),
    route: text('route').notNull(),
    provider: text('provider').notNull(),
    model: text('model').notNull(),
    key: text('key').notNull(),
    outcome: text('outcome').$type<Outcome>().notNull(),
    streaming: integer('streaming', { mode: 'boolean' }).notNull(),
    exchanges: integer('exchanges').notNull(),
    inputUncachedTokens: integer('input_uncached_tokens'),
    cacheReadTokens: integer('cache_read_tokens'),
    cacheWriteTokens: integer('cache_write_tokens'),
    outputTextTokens: integer('output_text_tokens'),
    reasoningTokens: integer('reasoning_tokens'),
    audioTokens: integer('audio_tokens'),
    /** Exchanges with at least one known token count. */
    usageKnown: integer('usage_known').notNull(),
    costNano: integer('cost_nano'),
    costKnown: integer('cost_known').notNull(),
    providerCostNano: integer('provider_cost_nano'),
    bytesIn: integer('bytes_in'),
    bytesOut: integer('bytes_out'),
    totalUs: integer('total_us'),
    totalHistogram: blob('total_histogram', { mode: 'buffer' }).notNull(),
    firstContentHistogram: blob('first_content_histogram', { mode: 'buffer' }).notNull(),
  },
  (table) => [
    primaryKey({
      columns: [
        table.hour,
        table.route,
        table.provider,
        table.model,
        table.key,
        table.outcome,
        table.streaming,
      ],
    }),
  ],
);

/**
 * The same for attempts, by their own provider and model: those of the exchange are of the target that ended it, and
 * a provider that never does would not be seen. Reasons are a bounded set, so they can be a dimension.
 */
export const attemptRollups = sqliteTable(
  'attempt_rollups',
  {
    /** Start of the hour in which the exchange started, epoch milliseconds. */
    hour: integer('hour').notNull(),
    route: text('route').notNull(),
    provider: text('provider').notNull(),
    model: text('model').notNull(),
    decision: text('decision').$type<'sent' | 'skipped'>().notNull(),
    reason: text('reason').notNull(),
    attempts: integer('attempts').notNull(),
    totalUs: integer('total_us'),
  },
  (table) => [
    primaryKey({
      columns: [table.hour, table.route, table.provider, table.model, table.decision, table.reason],
    }),
  ],
);

/** API keys that were created at run time. Their names stay taken: the records of a key go by its name. */
export const apiKeys = sqliteTable('api_keys', {
  id: text('id').primaryKey(),
  name: text('name').notNull().unique(),
  /** JSON text of what it may be used for. */
  terms: text('terms').notNull(),
  createdAt: integer('created_at').notNull(),
  /** Name of the key that created it; null for the command line. */
  createdBy: text('created_by'),
  revokedAt: integer('revoked_at'),
});

/** What clients send for a key, hashed. A key that was rotated has two for a while. */
export const apiKeySecrets = sqliteTable(
  'api_key_secrets',
  {
    /** The readable part of the key. */
    id: text('id').primaryKey(),
    keyId: text('key_id')
      .notNull()
      .references(() => apiKeys.id),
    /** HMAC-SHA-256 of the whole key. */
    hash: blob('hash', { mode: 'buffer' }).notNull(),
    /** Tells with which secret it was hashed, and nothing about it. */
    sealedBy: text('sealed_by').notNull(),
    createdAt: integer('created_at').notNull(),
    /** When its successor is alone; null for the current one. */
    endsAt: integer('ends_at'),
  },
  (table) => [index('api_key_secrets_key').on(table.keyId)],
);

/** Random values that belong to this database. */
export const databaseSecrets = sqliteTable('database_secrets', {
  name: text('name').primaryKey(),
  value: blob('value', { mode: 'buffer' }).notNull(),
});

/** What was told, or is to be told, about budgets: once for each budget, period and threshold. */
export const budgetAlerts = sqliteTable(
  'budget_alerts',
  {
    id: text('id').primaryKey(),
    /** JSON text of the message. */
    body: text('body').notNull(),
    createdAt: integer('created_at').notNull(),
    tries: integer('tries').notNull(),
    /** When it is to be sent, again; null once it was taken, or given up. */
    dueAt: integer('due_at'),
    deliveredAt: integer('delivered_at'),
  },
  (table) => [index('budget_alerts_due').on(table.dueAt)],
);
