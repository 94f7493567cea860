import type { Endpoint } from '../endpoints.js';
import { type Attempt, type EndReason, type Exchange, sinceStart } from '../exchange.js';
import type { Target } from '../routing/table.js';
import { errorBytes } from '../stream/event-error.js';
import type { EarlyEnd, Relay } from '../stream/relay.js';
import type { Usage } from '../stream/usage.js';
import { UploadError } from '../upload/error.js';
import type { Answer } from './answer.js';
import { type Control, isStopped } from './control.js';
import { type DrainPolicy, startDrain } from './drain.js';
import { type Failure, transportFailure } from './failure.js';
import { rateLimitSnapshot, responseHeaders } from './headers.js';
import { expectedForm } from './kind.js';
import type { Connection } from './pools.js';
import { readError } from './read-all.js';
import { openRelay } from './relayed.js';
import type { Report } from './report.js';
import { startTimers } from './timers.js';
import { createCancel, type UpstreamRequest, type UpstreamResponse } from './transport.js';
import { takeWhole } from './whole.js';

/** What one try needs. */
export interface Work {
  exchange: Exchange;
  target: Target;
  /** All that the exchange could have gone to. */
  targets: readonly Target[];
  endpoint: Endpoint;
  /** The caller asked for server-sent events. */
  streaming: boolean;
  send: Connection['send'];
  request: Omit<UpstreamRequest, 'cancel' | 'onSent'>;
  /** How many choices the answer is to have. */
  choices: number;
  /** The client did not ask for the usage chunk, so it must not see it. */
  stripUsage: boolean;
  /** What the exchange used, from the bytes of its answer, when the upstream does not say. */
  estimate(outputBytes: number): Usage | null;
  /** What happens when the client leaves; null: the upstream is let go at once. */
  drain: DrainPolicy | null;
  control: Control;
  report: Report;
}

/** An answer that has come to its commit point. One of the two must be called, at once. */
export interface Won {
  answer: Answer;
  /** It is the one that goes to the client: writes it into the record. */
  accept(): void;
  /** Another one was taken. */
  discard(): void;
}

export type Result = Won | { failure: Failure };

/** One try at one target. Resolves at the commit point with the answer, or before it with the failure. */
export async function attempt(work: Work, record: Attempt): Promise<Result> {
  const { exchange, control, report } = work;
  const { captured } = control;
  captured?.restart('body');
  const cancel = createCancel();
  let timedOut: EndReason | null = null;
  let relay: Relay | null = null;
  const { body: sending } = work.request;
  const uploading = sending === null || Buffer.isBuffer(sending) ? null : sending;
  const timers = startTimers(
    work.target.provider.timeouts,
    (reason) => {
      timedOut = reason;
      relay?.breakOff(reason, timeoutMessage(reason));
      cancel.cancel();
    },
    uploading,
  );
  control.stop = () => {
    if (exchange.cancelled === 'client_gone' && work.drain !== null && !control.lost) {
      startDrain(exchange, work.drain, stop);
      captured?.keep();
      relay?.leave();
    } else stop();
  };

  function onSent(): void {
    record.connectUs = sinceStart(exchange) - record.startedUs;
    report.sent();
  }

  function stop(): void {
    if (exchange.cancelled === 'shutdown') relay?.breakOff('shutdown', 'The gateway is shutting down.');
    else relay?.destroy();
    cancel.cancel();
  }

  try {
    const response = await work.send({ ...work.request, cancel, onSent });
    report.answered(response);
    record.headersUs = sinceStart(exchange);
    record.status = response.status;
    record.rateLimit = rateLimitSnapshot(response.headers, work.target.provider);
    if (response.status >= 400 && response.status < 600) {
      const body = await readError(response.body.stream());
      captured?.answer(body);
      return { failure: { kind: 'answer', status: response.status, headers: response.headers, body } };
    }
    const form = expectedForm(work, response);
    if (form === 'nonsense') return { failure: nonsense(response) };
    if (form === 'whole') return await takeWhole(work, record, response, timers);
    const relayed = openRelay(work, record, response, timers, form);
    relay = relayed.relay;
    const early = await relay.ready;
    if (early !== null) return { failure: earlyFailure(work, early, response) };
    const headers = form === 'events' ? streamHeaders(work, response) : byteHeaders(work, response);
    const answer = { status: response.status, headers, body: relay.output };
    return { answer, accept: relayed.accept, discard: () => control.stop?.() };
  } catch (error) {
    if (isStopped(exchange, control)) return { failure: { kind: 'cancelled' } };
    if (timedOut !== null) return { failure: broken(timedOut, timeoutMessage(timedOut), record.status) };
    // A file of ours that cannot be read says nothing about the target.
    if (error instanceof UploadError) throw error;
    return { failure: transportFailure(error, record.status) };
  } finally {
    // An answer that leaves piece by piece goes on.
    if (relay === null || record.firstContentUs === null) control.stop = null;
    if (record.firstContentUs === null) {
      // The answer that is read on is another one's.
      if (!control.lost) exchange.draining?.end();
      timers.clear();
      record.totalUs = sinceStart(exchange) - record.startedUs;
    }
  }
}

/** What a stream must carry so that nothing on the way buffers, changes or keeps it. */
function streamHeaders({ target }: Work, response: UpstreamResponse): Record<string, string | string[]> {
  const headers = responseHeaders(response.headers, target.provider);
  headers['content-type'] ??= 'text/event-stream; charset=utf-8';
  headers['cache-control'] = 'no-cache, no-transform';
  headers['x-accel-buffering'] = 'no';
  return headers;
}

/** With its length, so that a client can tell an answer that broke off. */
function byteHeaders({ target }: Work, response: UpstreamResponse): Record<string, string | string[]> {
  const headers = responseHeaders(response.headers, target.provider);
  const length = response.headers['content-length'];
  if (length !== undefined && response.headers['content-encoding'] === undefined) {
    headers['content-length'] = length;
  }
  return headers;
}

function earlyFailure({ exchange, control }: Work, early: EarlyEnd, response: UpstreamResponse): Failure {
  if (isStopped(exchange, control)) return { kind: 'cancelled' };
  if (early.error === null) return broken(early.endReason, early.message, response.status);
  const body = errorBytes(early.error);
  return { kind: 'answer', status: early.error.status ?? 502, headers: response.headers, body };
}

function nonsense(response: UpstreamResponse): Failure {
  response.body.discard();
  const type = String(response.headers['content-type'] ?? 'no content-type').slice(0, 100);
  const message = `The upstream answered ${response.status} with ${type}, which is no answer to this request.`;
  return broken('upstream_invalid', message, response.status);
}

function broken(endReason: EndReason, message: string, status: number | null): Failure {
  return { kind: 'broken', endReason, message, status };
}

function timeoutMessage(reason: EndReason): string {
  return `The upstream was too slow (${reason.replaceAll('_', ' ')}).`;
}
