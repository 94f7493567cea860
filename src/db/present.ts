import type { Exchange } from '../exchange.js';
import type { ExchangeDetail, ExchangeSummary, PriceJson } from './answers.js';
import type { attempts, exchanges } from './schema.js';
import { exchangeRow } from './sheet.js';
import { tokenCounts, toMs, toUsd } from './units.js';

/** A row of the exchanges. */
export type ExchangeRecord = typeof exchanges.$inferSelect;
type AttemptRecord = typeof attempts.$inferSelect;

/** A row as the API shows it in lists. */
export function summary(row: ExchangeRecord): ExchangeSummary {
  return {
    id: row.id,
    correlation_id: row.correlationId,
    started_at: new Date(row.startedAt).toISOString(),
    key: row.key,
    session: row.session,
    method: row.method,
    endpoint: row.endpoint,
    streaming: row.streaming,
    requested_model: row.requestedModel,
    route: row.route,
    strategy: row.strategy,
    policy: row.policy,
    complexity: row.complexity,
    tier: row.tier,
    provider: row.provider,
    model: row.model,
    response_model: row.responseModel,
    upstream_response_id: row.upstreamResponseId,
    status: row.status,
    upstream_status: row.upstreamStatus,
    outcome: row.outcome,
    end_reason: row.endReason,
    error_code: row.errorCode,
    error_message: row.errorMessage,
    finish_reason: row.finishReason,
    ...tokenCounts(row),
    usage_source: row.usageSource,
    cost_usd: toUsd(row.costNano),
    provider_cost_usd: toUsd(row.providerCostNano),
    dearest_cost_usd: toUsd(row.dearestCostNano),
    price_source: row.priceSource,
    attempts: row.attempts,
    queue_ms: toMs(row.queueUs),
    connect_ms: toMs(row.connectUs),
    headers_ms: toMs(row.headersUs),
    first_content_ms: toMs(row.firstContentUs),
    last_byte_ms: toMs(row.lastByteUs),
    commit_ms: toMs(row.commitUs),
    total_ms: toMs(row.totalUs),
    overhead_ms: toMs(row.overheadUs),
    lag_ms: toMs(row.lagUs),
    bytes_in: row.bytesIn,
    bytes_out: row.bytesOut,
    chunks: row.chunks,
    largest_gap_ms: toMs(row.largestGapUs),
  };
}

/** The same of an exchange that is over and may not be written yet; null when it is not over. */
export function settledSummary(exchange: Exchange): ExchangeSummary | null {
  const { id, startedAt, method, endpoint, streaming, outcome, endReason, usageSource } = exchange;
  if (outcome === null || endReason === null) return null;
  const known = { id, startedAt, method, endpoint, streaming, outcome, endReason, usageSource };
  return summary({ ...exchangeRow(exchange), ...known, seq: 0, attempts: exchange.attempts.length });
}

/** A row with its attempts and what is known of its stored bodies. */
export function detail(
  row: ExchangeRecord,
  tries: AttemptRecord[],
  payloads: ExchangeDetail['payloads'],
  price: PriceJson | null,
): ExchangeDetail {
  return { ...summary(row), price, attempts: tries.map(attemptJson), payloads };
}

function attemptJson(row: AttemptRecord): ExchangeDetail['attempts'][number] {
  return {
    number: row.number,
    provider: row.provider,
    model: row.model,
    decision: row.decision,
    reason: row.reason,
    status: row.status,
    error: row.error,
    started_ms: toMs(row.startedUs),
    headers_ms: toMs(row.headersUs),
    first_content_ms: toMs(row.firstContentUs),
    total_ms: toMs(row.totalUs),
    rate_limit: objectOf(row.rateLimit),
    cost_usd: toUsd(row.costNano),
  };
}

/** Stored text that is no JSON object is shown as none, rather than failing the whole answer. */
function objectOf(text: string | null): Record<string, unknown> | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? { ...value } : null;
  } catch {
    return null;
  }
}
