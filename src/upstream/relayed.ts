import { errorBody, GatewayError } from '../errors.js';
import { type Attempt, type EndReason, sinceStart } from '../exchange.js';
import { createByteTap } from '../stream/byte-tap.js';
import { createRelay, type Relay, type RelayEnd } from '../stream/relay.js';
import { createTap } from '../stream/tap.js';
import { noteCommit, noteStream } from './account.js';
import type { Work } from './attempt.js';
import { isJson, mediaType } from './kind.js';
import { withoutSecret } from './secret.js';
import type { Timers } from './timers.js';
import type { UpstreamResponse } from './transport.js';

/** An answer on its way, and what makes it the exchange's own. */
export interface Relayed {
  relay: Relay;
  /** From now on what passes is written into the record. */
  accept(): void;
}

/** Opens the way of an answer that leaves piece by piece, and notes what passes. */
export function openRelay(
  work: Work,
  record: Attempt,
  response: UpstreamResponse,
  timers: Timers,
  form: 'events' | 'bytes',
): Relayed {
  const { exchange, endpoint, control, report } = work;
  // Streams that the gateway knows are JSON and say when they are complete; what others do is theirs.
  const isKnown = endpoint.answer !== 'any' || endpoint.path.startsWith('/responses/');
  const tap =
    form === 'events'
      ? createTap({ stripUsage: work.stripUsage, json: isKnown, choices: work.choices })
      : createByteTap({ json: isJson(mediaType(response)), holdLast: exchange.seal !== null });
  const { captured } = control;
  if (form === 'events') captured?.restart('events');
  let lastUs: number | null = null;
  let largestGapUs: number | null = null;
  let written = 0;
  let accepted = false;
  let over: RelayEnd | null = null;
  let onAccept = (): void => {};
  const relay = createRelay(response.body.stream(), {
    tap,
    timers,
    mustSayEnd: form === 'events' && isKnown,
    drainBytes: work.drain?.bytes ?? null,
    seal:
      exchange.seal === null ? null : () => whenAccepted().then(() => exchange.seal?.(response.status, null)),
    onRead(chunks, at) {
      if (form === 'events' && captured !== null) for (const chunk of chunks) captured.piece(chunk);
      const now = Math.round((at - exchange.startTick) * 1000);
      if (lastUs !== null) largestGapUs = Math.max(largestGapUs ?? 0, now - lastUs);
      lastUs = now;
    },
    onContent() {
      record.firstContentUs = lastUs ?? sinceStart(exchange);
      report.firstContent();
    },
    onWrite(bytes) {
      if (accepted) exchange.bytesOut = (exchange.bytesOut ?? 0) + bytes;
      else written += bytes;
    },
    onEnd(end) {
      control.stop = null;
      over = end;
      tell(end);
      // Nobody else will: an answer that is read on for the record was never accepted.
      if (accepted || exchange.draining !== null) conclude(end);
    },
    onDelivered() {
      // The last byte of other answers is the last one of the response, which tells by itself.
      if (form === 'events' && accepted) exchange.delivered = true;
    },
    shownError: (bytes) => withoutSecret(bytes, work.target.provider),
    failure: (endReason, message) =>
      new GatewayError(codeFor(endReason), brokeOff(endReason, work.target.provider.name), {
        endReason,
        cause: new Error(message),
      }),
    errorEvent: (endReason) => (form === 'events' ? errorEvent(endReason, work.target.provider.name) : null),
  });

  function accept(): void {
    accepted = true;
    exchange.streaming = form === 'events';
    // What a header says of the length need not be sent: the answer to a HEAD has a length and no bytes.
    exchange.bytesOut = (exchange.bytesOut ?? 0) + written;
    // A short answer is over already, and its end stands before its beginning.
    if (over !== null) conclude(over);
    noteCommit(work, record);
    onAccept();
  }

  /** A short answer is over before it is taken; only then its record is complete. */
  function whenAccepted(): Promise<void> {
    if (accepted) return Promise.resolve();
    return new Promise((resolve) => {
      onAccept = resolve;
    });
  }

  function conclude(end: RelayEnd): void {
    exchange.onCancel = null;
    exchange.lastByteUs = lastUs;
    exchange.largestGapUs = largestGapUs;
    noteStream(work, record, tap.facts, end);
    // The record waits for this end, and is complete with it.
    if (exchange.draining !== null) control.captured?.keep();
    exchange.draining?.end();
  }

  /** What the target has made of it: a client that leaves, or a shutdown, says nothing about that. */
  function tell(end: RelayEnd): void {
    record.totalUs = sinceStart(exchange) - record.startedUs;
    if (end.kind === 'complete') report.succeeded(tap.facts.usage);
    else if (end.kind === 'broken' && end.endReason !== 'shutdown') report.failed();
    else report.ended();
  }

  return { relay, accept };
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
