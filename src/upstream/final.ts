import { errorBody, GatewayError, retryAfterSeconds, shuttingDown } from '../errors.js';
import { conclude, type Exchange } from '../exchange.js';
import { isLasting } from '../routing/choose.js';
import type { Target } from '../routing/table.js';
import type { Answer } from './answer.js';
import type { Refused } from './dispatch.js';
import { type Failure, upstreamCode, upstreamMessage } from './failure.js';
import { responseHeaders } from './headers.js';
import { isJson as isJsonType, mediaType } from './kind.js';
import { hideSecret, withoutSecret } from './secret.js';

const JSON_TYPE = 'application/json; charset=utf-8';

/**
 * What the caller reads when the last failure is the final word: the upstream's own status and body, or a
 * `GatewayError` when there was no answer to pass on. `resetMs` tells in how many milliseconds a target is free again;
 * when that is not known, the upstream's own word on it stands.
 */
export function finalAnswer(
  exchange: Exchange,
  target: Target,
  failure: Failure,
  resetMs: () => number | null,
): Answer {
  if (failure.kind === 'cancelled') throw cancelledError(exchange);
  if (failure.kind === 'broken') throw brokenError(exchange, target, failure);
  const { status, body } = failure;
  // Not what an error inside a 200 says of itself.
  const sent = exchange.attempts.findLast(
    ({ decision, provider, model }) =>
      decision === 'sent' && provider === target.provider.name && model === target.model,
  );
  exchange.upstreamStatus = sent?.status ?? status;
  exchange.errorCode = hideSecret(upstreamCode(body) ?? `http_${status}`, target.provider).slice(0, 100);
  exchange.errorMessage = hideSecret(upstreamMessage(body), target.provider).slice(0, 500);
  conclude(exchange, 'failed', status === 429 ? 'rate_limited' : 'upstream_error');
  if (status === 401 || status === 403) {
    exchange.errorCode = 'upstream_authentication_failed';
    const message = `The provider "${target.provider.name}" refused the gateway's credential.`;
    return jsonAnswer(status, errorBody('upstream_authentication_failed', message));
  }
  const answer = passedOn(failure, target);
  const waitMs = status === 429 ? resetMs() : null;
  if (waitMs !== null) {
    answer.headers['retry-after'] = retryAfterSeconds(waitMs);
    // Clients prefer it, but it speaks for one target only.
    delete answer.headers['retry-after-ms'];
  }
  return answer;
}

/** The upstream's own error, byte for byte when it is JSON; anything else is put into an error body. */
function passedOn({ status, headers, body }: Failure & { kind: 'answer' }, target: Target): Answer {
  const text = body.toString('utf8');
  const passed = responseHeaders(headers, target.provider);
  if (!isJson(text)) {
    const message = `The provider "${target.provider.name}" answered ${status}: ${hideSecret(text, target.provider).slice(0, 300)}`;
    const answer = jsonAnswer(status, errorBody('upstream_error', message));
    for (const name of ['retry-after', 'retry-after-ms']) {
      const told = passed[name];
      if (told !== undefined) answer.headers[name] = told;
    }
    return answer;
  }
  if (!isJsonType(mediaType({ headers }))) passed['content-type'] = JSON_TYPE;
  return { status, headers: passed, body: withoutSecret(body, target.provider) };
}

function jsonAnswer(status: number, body: unknown): Answer {
  const headers: Answer['headers'] = { 'content-type': JSON_TYPE };
  return { status, headers, body: Buffer.from(JSON.stringify(body)) };
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}

/** What ends the work on an exchange that was told to stop. */
export function cancelledError(exchange: Exchange): GatewayError {
  if (exchange.cancelled === 'shutdown') {
    conclude(exchange, 'failed', 'shutdown');
    return shuttingDown();
  }
  return new GatewayError('internal_error', 'Nobody waits for this answer any more.', {
    endReason: 'client_gone',
  });
}

function brokenError(
  exchange: Exchange,
  target: Target,
  failure: Failure & { kind: 'broken' },
): GatewayError {
  const { endReason } = failure;
  const message = hideSecret(failure.message, target.provider);
  exchange.upstreamStatus = failure.status;
  exchange.errorCode = endReason;
  exchange.errorMessage = message.slice(0, 500);
  conclude(exchange, 'failed', endReason);
  const code = endReason.endsWith('_timeout') ? 'upstream_timeout' : 'upstream_error';
  const text = `The provider "${target.provider.name}" gave no usable answer (${endReason.replaceAll('_', ' ')}).`;
  return new GatewayError(code, text, { endReason, cause: new Error(message) });
}

/** Reasons that end by themselves as load goes down or time passes. */
const waiting: ReadonlySet<string> = new Set([
  'rate_limited',
  'limit_exhausted',
  'quota_exhausted',
  'concurrency_full',
]);
/** For what ends by itself nobody knows when: a call under way, the probe of a breaker. */
const UNKNOWN_RESET_MS = 1_000;

/** Whether one of the targets may be free for the request some time, if it waits. */
export function isPassing({ skips }: Refused): boolean {
  return skips.some(({ reason }) => !isLasting(reason));
}

/** The error when every target was passed over, so that nothing was sent. */
export function nothingAvailable({ plan, skips, retryAt, queue }: Refused, now: number): GatewayError {
  const { route, name } = plan.entry;
  const whose = route === null ? `the model "${name.slice(0, 100)}"` : `the route "${route}"`;
  if (skips.length > 0 && skips.every(({ reason }) => reason === 'context_too_small')) {
    const message = `The request is about ${plan.facts.inputTokens} tokens long: more than any target of ${whose} takes.`;
    return new GatewayError('context_length_exceeded', message, { param: 'messages' });
  }
  const passing = skips.filter(({ reason }) => !isLasting(reason));
  const unknown = passing.length > 0 || queue !== null ? UNKNOWN_RESET_MS : undefined;
  const retryAfterMs = retryAt === null ? unknown : Math.max(0, retryAt - now);
  if (queue === 'closed') return shuttingDown();
  if (queue === 'full') {
    return new GatewayError('rate_limit_exceeded', `The queue of ${whose} is full.`, { retryAfterMs });
  }
  if (passing.length > 0 && passing.every(({ reason }) => waiting.has(reason))) {
    const message = `Every target of ${whose} is rate limited or busy.`;
    return new GatewayError('rate_limit_exceeded', message, { retryAfterMs });
  }
  const reasons = [...new Set(skips.map(({ reason }) => reason.replaceAll('_', ' ')))].join(', ');
  const message = `No target of ${whose} can be used now${reasons === '' ? '' : ` (${reasons})`}.`;
  return new GatewayError('no_available_target', message, { retryAfterMs });
}
