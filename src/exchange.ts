import { createId } from './id.js';
import type { Attempt, CancelReason, EndReason, Exchange, Outcome } from './record.js';

export type {
  Attempt,
  Caller,
  CancelReason,
  EndReason,
  Exchange,
  Outcome,
  UsageSource,
} from './record.js';

/** What is known when a request arrives. */
export interface Opening {
  method: string;
  endpoint: string;
  correlationId?: string | null;
  session?: string | null;
  /** When the request arrived, if that was before now, in milliseconds before now. */
  agoMs?: number;
}

const MAX_ENDPOINT = 200;

/** Opens an exchange. Every field exists from the start, so all exchanges share one hidden class. */
export function openExchange(opening: Opening): Exchange {
  const ago = opening.agoMs ?? 0;
  return {
    place: null,
    caller: null,
    cancelled: null,
    onCancel: null,
    draining: null,
    reserveTokens: null,
    limitPermit: null,
    budgetHold: null,
    onSettled: null,
    enteredUs: Math.round(ago * 1000),
    admittedUs: 0,
    receivedUs: 0,
    upstreamUs: 0,
    delivered: false,
    seal: null,
    capture: null,
    id: createId(),
    correlationId: opening.correlationId ?? null,
    startedAt: Date.now() - Math.round(ago),
    startTick: performance.now() - ago,
    key: null,
    session: opening.session ?? null,
    method: opening.method,
    endpoint: opening.endpoint.slice(0, MAX_ENDPOINT),
    streaming: false,
    requestedModel: null,
    route: null,
    policy: null,
    strategy: null,
    complexity: null,
    tier: null,
    provider: null,
    model: null,
    responseModel: null,
    upstreamResponseId: null,
    status: null,
    upstreamStatus: null,
    outcome: null,
    endReason: null,
    errorCode: null,
    errorMessage: null,
    finishReason: null,
    usage: null,
    usageSource: 'none',
    costNano: null,
    dearestCostNano: null,
    priceSource: null,
    price: null,
    attempts: [],
    queueUs: null,
    connectUs: null,
    headersUs: null,
    firstContentUs: null,
    lastByteUs: null,
    commitUs: null,
    totalUs: null,
    overheadUs: null,
    lagUs: null,
    bytesIn: null,
    bytesOut: null,
    chunks: null,
    largestGapUs: null,
  };
}

/** Microseconds since the exchange started. */
export function sinceStart(exchange: Exchange): number {
  return Math.round((performance.now() - exchange.startTick) * 1000);
}

/** Writes down how the exchange ended. The first conclusion stands: what happened later did not cause it. */
export function conclude(exchange: Exchange, outcome: Outcome, endReason: EndReason): void {
  if (exchange.outcome !== null) return;
  exchange.outcome = outcome;
  exchange.endReason = endReason;
}

/** Tells the exchange's work to stop. Does nothing when the exchange was already told. */
export function cancel(exchange: Exchange, reason: CancelReason): void {
  if (exchange.cancelled !== null) {
    if (reason === 'shutdown') exchange.draining?.stop();
    return;
  }
  exchange.cancelled = reason;
  exchange.onCancel?.();
}

/** Calls `act` once the exchange is settled: what it holds is given back on every path. */
export function whenSettled(exchange: Exchange, act: (exchange: Exchange) => void): void {
  if (exchange.onSettled === null) exchange.onSettled = [act];
  else exchange.onSettled.push(act);
}

/** Adds an attempt that is about to be sent. */
export function beginAttempt(exchange: Exchange, provider: string, model: string): Attempt {
  const attempt: Attempt = {
    number: exchange.attempts.length + 1,
    provider,
    model,
    decision: 'sent',
    reason: null,
    status: null,
    error: null,
    startedUs: sinceStart(exchange),
    connectUs: null,
    headersUs: null,
    firstContentUs: null,
    totalUs: null,
    rateLimit: null,
    costNano: null,
  };
  exchange.attempts.push(attempt);
  return attempt;
}

/** Adds the decision not to try a target. */
export function skipAttempt(exchange: Exchange, provider: string, model: string, reason: string): void {
  const attempt = beginAttempt(exchange, provider, model);
  attempt.decision = 'skipped';
  attempt.reason = reason;
}

/**
 * Marks the commit point: from here on the client has an answer and no other target may be tried. The gateway's
 * own share is what neither the upload, nor the queue, nor the upstreams took.
 */
export function commit(exchange: Exchange): void {
  exchange.commitUs = sinceStart(exchange);
  const upload = exchange.receivedUs - exchange.admittedUs;
  const own = exchange.commitUs - exchange.enteredUs - upload - (exchange.queueUs ?? 0) - exchange.upstreamUs;
  exchange.overheadUs = Math.max(0, own);
}

/** What is known about the answer when the exchange is over. */
export interface Ending {
  /** Status sent to the client, null when no header was sent. */
  status: number | null;
  bytesOut: number | null;
}

/** Completes the record. Called once, when the response finished or its connection closed. */
export function finish(exchange: Exchange, ending: Ending): void {
  exchange.totalUs ??= sinceStart(exchange);
  exchange.status = ending.status;
  // Work that still goes on has no reader any more: the host, or an error, answered in its place.
  if (exchange.onCancel !== null) cancel(exchange, 'superseded');
  exchange.onCancel = null;
  exchange.bytesOut = ending.status === null ? ending.bytesOut : (exchange.bytesOut ?? ending.bytesOut);
  if (exchange.outcome === 'ok' && ending.status !== null && ending.status >= 400) {
    exchange.outcome = 'failed';
    exchange.endReason = 'internal_error';
  }
  if (!exchange.delivered && (exchange.outcome === null || exchange.outcome === 'ok')) {
    exchange.outcome = 'aborted';
    exchange.endReason = 'client_gone';
  }
  if (exchange.outcome === null) concludeByStatus(exchange, ending.status ?? 500);
}

/** For answers that no part of the gateway concluded: its own lists, or what the host's hooks sent. */
function concludeByStatus(exchange: Exchange, status: number): void {
  if (status < 400) conclude(exchange, 'ok', 'complete');
  else if (status >= 500) conclude(exchange, 'failed', 'internal_error');
  else conclude(exchange, 'rejected', 'rejected_by_host');
}
