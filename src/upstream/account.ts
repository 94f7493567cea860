import { type Attempt, commit, conclude, type Exchange, sinceStart } from '../exchange.js';
import { priceOf } from '../prices/price-of.js';
import { recordedModel, type Target } from '../routing/table.js';
import { readEvent } from '../stream/events.js';
import { recordOf, textOf } from '../stream/json.js';
import type { RelayEnd } from '../stream/relay.js';
import type { StreamFacts } from '../stream/tap.js';
import { readUsage, type Usage } from '../stream/usage.js';
import { costNano } from './price.js';
import { dearestCostNano } from './savings.js';
import { hideSecret } from './secret.js';

interface Answered {
  exchange: Exchange;
  target: Target;
  /** All that the exchange could have gone to. */
  targets: readonly Target[];
  estimate(outputBytes: number): Usage | null;
}

/** Writes the commit point of the answering attempt into the record. */
export function noteCommit(
  { exchange, target }: Pick<Answered, 'exchange' | 'target'>,
  record: Attempt,
): void {
  record.reason ??= 'answered';
  record.costNano = exchange.costNano;
  exchange.provider = target.provider.name;
  exchange.model = recordedModel(target);
  exchange.upstreamStatus = record.status;
  exchange.connectUs = record.connectUs;
  exchange.headersUs = record.headersUs;
  exchange.firstContentUs = record.firstContentUs;
  // An answer that is only read for the record has nobody to be committed to.
  if (exchange.cancelled === null) commit(exchange);
}

/** Writes a whole JSON answer into the record. */
export function noteAnswer(answered: Answered, answer: Record<string, unknown>): void {
  const { exchange } = answered;
  exchange.streaming = false;
  exchange.lastByteUs = sinceStart(exchange);
  exchange.responseModel = text(answer.model);
  exchange.upstreamResponseId = text(answer.id);
  exchange.finishReason = finishReason(answer);
  noteUsage(answered, readUsage(answer), () => textBytes(answer));
  conclude(exchange, 'ok', 'complete');
}

/** Writes into the record what was seen of a stream until it ended, and how it ended. */
export function noteStream(
  answered: Answered,
  record: Attempt,
  facts: Readonly<StreamFacts>,
  end: RelayEnd,
): void {
  const { exchange, target } = answered;
  // What is read along is not searched for the provider's key, as whole answers are.
  const shown = (value: string | null) => value && hideSecret(value, target.provider);
  exchange.responseModel = shown(facts.responseModel);
  exchange.upstreamResponseId = shown(facts.responseId);
  exchange.finishReason = shown(facts.finishReason);
  exchange.chunks = facts.events;
  if (facts.content) noteUsage(answered, facts.usage, () => facts.contentBytes);
  record.costNano = exchange.costNano;
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

/** What the upstream says, else what the bytes of the generated text suggest. */
function noteUsage(
  { exchange, target, targets, estimate }: Answered,
  reported: Usage | null,
  outputBytes: () => number,
): void {
  exchange.usage = reported ?? estimate(outputBytes());
  exchange.usageSource = reported !== null ? 'reported' : exchange.usage === null ? 'none' : 'estimated';
  const priced = priceOf(target, exchange.startedAt);
  exchange.costNano = costNano(exchange.usage, priced?.price ?? null);
  const used = exchange.costNano === null ? null : priced;
  exchange.priceSource = used?.source ?? null;
  exchange.price = used?.price ?? null;
  exchange.dearestCostNano = dearestCostNano(exchange, targets);
}

/** Bytes of generated text: a chat's choices, or the output of the responses API. */
function textBytes(answer: Record<string, unknown>): number {
  if (!Array.isArray(answer.output)) return readEvent(answer, null).textBytes;
  const parts = answer.output.flatMap((item: unknown) => [item, ...listOf(recordOf(item).content)]);
  return parts.reduce<number>((sum, part) => {
    const { text: words, arguments: call } = recordOf(part);
    return sum + Buffer.byteLength(textOf(words) ?? '') + Buffer.byteLength(textOf(call) ?? '');
  }, 0);
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
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
