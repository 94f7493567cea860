import { errorBody, GatewayError } from '../errors.js';
import { type Attempt, type EndReason, sinceStart } from '../exchange.js';
import { createByteTap } from '../stream/byte-tap.js';
import { createRelay, type Relay } from '../stream/relay.js';
import { createTap } from '../stream/tap.js';
import { noteStream } from './account.js';
import type { Work } from './attempt.js';
import { isJson, mediaType } from './kind.js';
import { withoutSecret } from './secret.js';
import type { Timers } from './timers.js';
import type { UpstreamResponse } from './transport.js';

/** Opens the way of an answer that leaves piece by piece, and writes into the record what passes. */
export function openRelay(
  work: Work,
  record: Attempt,
  response: UpstreamResponse,
  timers: Timers,
  form: 'events' | 'bytes',
): Relay {
  const { exchange, endpoint } = work;
  // Streams that the gateway knows are JSON and say when they are complete; what others do is theirs.
  const isKnown = endpoint.answer !== 'any' || endpoint.path.startsWith('/responses/');
  const tap =
    form === 'events'
      ? createTap({ stripUsage: work.stripUsage, json: isKnown })
      : createByteTap({ json: isJson(mediaType(response)) });
  let lastUs: number | null = null;
  let largestGapUs: number | null = null;
  return createRelay(response.body, {
    tap,
    timers,
    mustSayEnd: form === 'events' && isKnown,
    drainBytes: work.drain?.bytes ?? null,
    onRead() {
      const now = sinceStart(exchange);
      if (lastUs !== null) largestGapUs = Math.max(largestGapUs ?? 0, now - lastUs);
      lastUs = now;
    },
    onContent() {
      record.firstContentUs = lastUs ?? sinceStart(exchange);
      // What a header says of the length need not be sent: the answer to a HEAD has a length and no bytes.
      exchange.bytesOut ??= 0;
    },
    onWrite(bytes) {
      exchange.bytesOut = (exchange.bytesOut ?? 0) + bytes;
    },
    onEnd(end) {
      exchange.onCancel = null;
      exchange.lastByteUs = lastUs;
      exchange.largestGapUs = largestGapUs;
      noteStream(work, record, tap.facts, end);
      exchange.draining?.end();
    },
    onDelivered() {
      // The last byte of other answers is the last one of the response, which tells by itself.
      if (form === 'events') exchange.delivered = true;
    },
    shownError: (bytes) => withoutSecret(bytes, work.target.provider),
    failure: (endReason, message) =>
      new GatewayError(codeFor(endReason), brokeOff(endReason, work.target.provider.name), {
        endReason,
        cause: new Error(message),
      }),
    errorEvent: (endReason) => (form === 'events' ? errorEvent(endReason, work.target.provider.name) : null),
  });
}

/** What the transport said is for the record; it may name addresses of the operator's network. */
function errorEvent(endReason: EndReason, provider: string): string {
  return `data: ${JSON.stringify(errorBody(codeFor(endReason), brokeOff(endReason, provider)))}\n\n`;
}

function brokeOff(endReason: EndReason, provider: string): string {
  return endReason === 'shutdown'
    ? 'The gateway is shutting down.'
    : `The provider "${provider}" broke off its answer (${endReason.replaceAll('_', ' ')}).`;
}

function codeFor(endReason: EndReason) {
  if (endReason === 'shutdown') return 'shutting_down';
  return endReason.endsWith('_timeout') ? 'upstream_timeout' : 'upstream_error';
}
