import { errorBody, GatewayError, retryAfterSeconds, shuttingDown } from '../errors.js';
import { conclude, type Exchange } from '../exchange.js';
import type { Availability } from '../routing/availability.js';
import type { Entry, Target } from '../routing/table.js';
import type { Answer } from './answer.js';
import { type Failure, upstreamCode, upstreamMessage } from './failure.js';
import { responseHeaders } from './headers.js';
import { isJson as isJsonType, mediaType } from './kind.js';
import { hideSecret, withoutSecret } from './secret.js';

const JSON_TYPE = 'application/json; charset=utf-8';

/**
 * What the caller reads when the last failure is the final word: the upstream's own status and body, or a
 * `GatewayError` when there was no answer to pass on. `resetMs` is the earliest moment a target is free again.
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
  const tried = exchange.attempts.findLast(({ decision }) => decision === 'sent');
  exchange.upstreamStatus = tried?.status ?? status;
  exchange.errorCode = hideSecret(upstreamCode(body) ?? `http_${status}`, target.provider).slice(0, 100);
  exchange.errorMessage = hideSecret(upstreamMessage(body), target.provider).slice(0, 500);
  conclude(exchange, 'failed', status === 429 ? 'rate_limited' : 'upstream_error');
  if (status === 401 || status === 403) {
    exchange.errorCode = 'upstream_authentication_failed';
    const message = `The provider "${target.provider.name}" refused the gateway's credential.`;
    return jsonAnswer(status, errorBody('upstream_authentication_failed', message));
  }
  const answer = passedOn(failure, target);
  if (status === 429) {
    answer.headers['retry-after'] = retryAfterSeconds(resetMs() ?? 0);
    // Clients prefer it, but it speaks for one target only.
    delete answer.headers['retry-after-ms'];
  }
  return answer;
}

/** The upstream's own error, byte for byte when it is JSON; anything else is put into an error body. */
function passedOn({ status, headers, body }: Failure & { kind: 'answer' }, target: Target): Answer {
  const text = body.toString('utf8');
  if (!isJson(text)) {
    const message = `The provider "${target.provider.name}" answered ${status}: ${hideSecret(text, target.provider).slice(0, 300)}`;
    return jsonAnswer(status, errorBody('upstream_error', message));
  }
  const passed = responseHeaders(headers);
  if (!isJsonType(mediaType({ headers }))) passed['content-type'] = JSON_TYPE;
  return { status, headers: passed, body: withoutSecret(body, target.provider) };
}

function jsonAnswer(status: number, body: unknown): Answer {
  const headers = { 'content-type': JSON_TYPE };
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
  const { endReason, message } = failure;
  exchange.upstreamStatus = failure.status;
  exchange.errorCode = endReason;
  exchange.errorMessage = message.slice(0, 500);
  conclude(exchange, 'failed', endReason);
  const code = endReason.endsWith('_timeout') ? 'upstream_timeout' : 'upstream_error';
  const text = `The provider "${target.provider.name}" gave no usable answer (${endReason.replaceAll('_', ' ')}).`;
  return new GatewayError(code, text, { endReason, cause: new Error(message) });
}

/** The error when every target was passed over, so that nothing was sent. */
export function nothingAvailable(resolution: Entry, availability: Availability, now: number): GatewayError {
  const blocks = resolution.targets
    .map((target) => availability.blocked(target.provider.name, target.id, now))
    .filter((block) => block !== null);
  const first = Math.min(...blocks.map((block) => block.until));
  const retryAfterMs = Number.isFinite(first) ? first - now : 1000;
  const name = resolution.route === null ? 'this model' : `the route "${resolution.route}"`;
  if (blocks.length > 0 && blocks.every((block) => block.obstacle === 'rate_limited')) {
    return new GatewayError('rate_limit_exceeded', `Every target of ${name} is rate limited.`, {
      retryAfterMs,
    });
  }
  return new GatewayError('no_available_target', `No target of ${name} can be used now.`, { retryAfterMs });
}
