import { type Attempt, commit, conclude, type Exchange, sinceStart } from '../exchange.js';
import type { Target } from '../routing/table.js';
import type { RelayEnd } from '../stream/relay.js';
import type { StreamFacts } from '../stream/tap.js';
import { readUsage } from '../stream/usage.js';
import { costNano } from './price.js';
import { hideSecret } from './secret.js';

interface Answered {
  exchange: Exchange;
  target: Target;
}

/** Writes the commit point of the answering attempt into the record. */
export function noteCommit({ exchange, target }: Answered, record: Attempt): void {
  record.reason ??= 'answered';
  exchange.provider = target.provider.name;
  exchange.model = target.model;
  exchange.upstreamStatus = record.status;
  exchange.headersUs = record.headersUs;
  exchange.firstContentUs = record.firstContentUs;
  exchange.upstreamUs += sinceStart(exchange) - record.startedUs;
  commit(exchange);
}

/** Writes a whole JSON answer into the record. */
export function noteAnswer({ exchange, target }: Answered, answer: Record<string, unknown>): void {
  exchange.streaming = false;
  exchange.lastByteUs = sinceStart(exchange);
  exchange.responseModel = text(answer.model);
  exchange.upstreamResponseId = text(answer.id);
  exchange.finishReason = finishReason(answer);
  exchange.usage = readUsage(answer);
  noteCost(exchange, target);
  conclude(exchange, 'ok', 'complete');
}

/** Writes into the record what was seen of a stream until it ended, and how it ended. */
export function noteStream(
  { exchange, target }: Answered,
  record: Attempt,
  facts: Readonly<StreamFacts>,
  end: RelayEnd,
): void {
  exchange.responseModel = facts.responseModel;
  exchange.upstreamResponseId = facts.responseId;
  exchange.finishReason = facts.finishReason;
  exchange.chunks = facts.events;
  exchange.usage = facts.usage;
  noteCost(exchange, target);
  record.totalUs = sinceStart(exchange) - record.startedUs;
  if (end.kind === 'stopped') {
    record.reason = exchange.cancelled ?? 'client_gone';
  } else if (end.kind === 'complete') {
    conclude(exchange, 'ok', 'complete');
  } else {
    record.reason = end.endReason;
    record.error = hideSecret(end.message, target.provider).slice(0, 500);
    exchange.errorCode = hideSecret(facts.error?.code ?? end.endReason, target.provider).slice(0, 100);
    exchange.errorMessage = record.error;
    conclude(exchange, 'truncated', end.endReason);
  }
}

function noteCost(exchange: Exchange, target: Target): void {
  exchange.usageSource = exchange.usage === null ? 'none' : 'reported';
  const price = target.declared?.price ?? null;
  exchange.costNano = costNano(exchange.usage, price);
  exchange.priceSource = exchange.costNano === null ? null : 'config';
}

function finishReason(answer: Record<string, unknown>): string | null {
  if (!Array.isArray(answer.choices)) return text(answer.status);
  const first: unknown = answer.choices[0];
  return typeof first === 'object' && first !== null && 'finish_reason' in first
    ? text(first.finish_reason)
    : null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value.slice(0, 300) : null;
}
