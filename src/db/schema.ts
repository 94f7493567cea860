import { sql } from 'drizzle-orm';
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
import type { StoredKind } from '../payloads/prepare.js';

/** Which dimensions a summary keeps: `target` the provider and the model, the others the one they name. */
export type View = 'target' | 'route' | 'key';

/**
 * One row per exchange, written once at its end. Instants are epoch milliseconds, durations microseconds,
 * money nano-USD. `id` is a UUIDv7, so its unique index is the time index too.
 */
export const exchanges = sqliteTable(
  'exchanges',
  {
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
    /** What the dearest target that the route could have used would have cost. */
    dearestCostNano: integer('dearest_cost_nano'),
    priceSource: text('price_source'),
    /** The price that the cost was computed with. */
    priceSeq: integer('price_seq'),
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
  },
  (table) => [
    index('exchanges_session').on(table.session, table.id).where(sql`session is not null`),
    // A few percent of the rows, and the ones that are searched for.
    index('exchanges_notable').on(table.id).where(sql`outcome <> 'ok'`),
  ],
);

/** Prices that were used, each once. JSON texts of what a million tokens, or a request, cost: nano-USD. */
export const prices = sqliteTable('prices', {
  seq: integer('seq').primaryKey(),
  price: text('price').notNull().unique(),
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

/**
 * Which bodies of an exchange are stored. A body is a path of pieces that ends at `node`: its first piece is what is
 * no conversation (the shell), and the others stand at `split` in it, in bytes.
 */
export const captures = sqliteTable(
  'captures',
  {
    exchangeSeq: integer('exchange_seq')
      .notNull()
      .references(() => exchanges.seq, { onDelete: 'cascade' }),
    kind: text('kind').$type<StoredKind>().notNull(),
    node: integer('node')
      .notNull()
      .references(() => captureNodes.seq),
    split: integer('split').notNull(),
    /** Size before anything was left out. */
    bytes: integer('bytes').notNull(),
    truncated: integer('truncated', { mode: 'boolean' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.exchangeSeq, table.kind] }),
    index('captures_node').on(table.node),
  ],
);

/** Paths of pieces, as a tree: bodies that begin alike share the beginning of their paths. */
export const captureNodes = sqliteTable(
  'capture_nodes',
  {
    seq: integer('seq').primaryKey(),
    /** 0 for the first of a path. */
    parent: integer('parent').notNull(),
    piece: integer('piece')
      .notNull()
      .references(() => capturePieces.seq),
  },
  (table) => [
    uniqueIndex('capture_nodes_parent_piece').on(table.parent, table.piece),
    index('capture_nodes_piece').on(table.piece),
  ],
);

/** Parts of bodies, content-addressed: equal ones are stored once. */
export const capturePieces = sqliteTable('capture_pieces', {
  seq: integer('seq').primaryKey(),
  /** sha256 before compression. */
  hash: blob('hash', { mode: 'buffer' }).notNull().unique(),
  encoding: text('encoding').$type<'identity' | 'gzip'>().notNull(),
  body: blob('body', { mode: 'buffer' }).notNull(),
});

/**
 * Conversations by the id the client gave, apart for each API key, with sums that outlive their exchanges. No foreign key leads here:
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
    exchanges: integer('exchanges').notNull().default(0),
    /** Exchanges that failed or were truncated. */
    errors: integer('errors').notNull().default(0),
    inputUncachedTokens: integer('input_uncached_tokens'),
    cacheReadTokens: integer('cache_read_tokens'),
    cacheWriteTokens: integer('cache_write_tokens'),
    outputTextTokens: integer('output_text_tokens'),
    reasoningTokens: integer('reasoning_tokens'),
    audioTokens: integer('audio_tokens'),
    costNano: integer('cost_nano'),
    providerCostNano: integer('provider_cost_nano'),
  },
  (table) => [
    uniqueIndex('sessions_id_key').on(table.id, table.key),
    index('sessions_last_at').on(table.lastAt),
  ],
);

/** What rollups are by, and what they sum. */
const rollupColumns = () => ({
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
  /** The dearest target's cost less the actual, over the exchanges that know both. */
  savingsNano: integer('savings_nano'),
  savingsKnown: integer('savings_known').notNull().default(0),
  /** Output tokens of streams, and the time from their first content to their last byte. */
  streamedTokens: integer('streamed_tokens'),
  streamedUs: integer('streamed_us'),
  /** What providers reported less what was computed, over the exchanges that have both. */
  differenceNano: integer('difference_nano'),
  differenceKnown: integer('difference_known'),
  /**
   * JSON: how many exchanges for each `outcome/end_reason`, and how many attempts for each `decision/reason`. Attempts
   * are counted at the provider and model they were made at, which need not be those that ended their exchange; the
   * other dimensions are those of the exchange.
   */
  counts: text('counts').notNull().default('{}'),
});

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
    ...rollupColumns(),
  },
  ({ hour, route, provider, model, key, outcome, streaming }) => [
    primaryKey({ columns: [hour, route, provider, model, key, outcome, streaming] }),
  ],
);

/** The same per minute, for the last 48 hours. */
export const minuteRollups = sqliteTable(
  'minute_rollups',
  {
    /** Start of the minute, epoch milliseconds. */
    minute: integer('minute').notNull(),
    ...rollupColumns(),
  },
  ({ minute, route, provider, model, key, outcome, streaming }) => [
    primaryKey({ columns: [minute, route, provider, model, key, outcome, streaming] }),
  ],
);

/**
 * Rollups summed up over the dimensions that a view leaves out, so that a month of hours is thousands of rows and not
 * a million. They hold nothing that the rollups do not, packed: see `packed.ts`. A table without rowids (migration
 * 0004), so that the hours of one view lie together.
 */
export const summaries = sqliteTable(
  'summaries',
  {
    /** Length of the span that is summed, milliseconds. */
    step: integer('step').notNull(),
    view: text('view').$type<View>().notNull(),
    /** Start of the span, epoch milliseconds. */
    at: integer('at').notNull(),
    route: text('route').notNull(),
    provider: text('provider').notNull(),
    model: text('model').notNull(),
    key: text('key').notNull(),
    counts: text('counts').notNull(),
    figures: blob('figures', { mode: 'buffer' }).notNull(),
  },
  ({ step, view, at, route, provider, model, key }) => [
    primaryKey({ columns: [step, view, at, route, provider, model, key] }),
  ],
);

/** What the gateway remembers over a restart: JSON texts by name. */
export const memory = sqliteTable('memory', {
  name: text('name').primaryKey(),
  value: text('value').notNull(),
  /** Epoch milliseconds. */
  writtenAt: integer('written_at').notNull(),
});
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
