import type { Readable } from 'node:stream';
import { errorBody } from '../errors.js';
import { type Attempt, type EndReason, type Exchange, sinceStart } from '../exchange.js';
import type { Target } from '../routing/table.js';
import { createRelay, type EarlyEnd, type Relay } from '../stream/relay.js';
import { createTap } from '../stream/tap.js';
import { noteAnswer, noteCommit, noteStream } from './account.js';
import type { Answer } from './answer.js';
import { type Failure, transportFailure } from './failure.js';
import { rateLimitSnapshot, responseHeaders } from './headers.js';
import type { Connection } from './pools.js';
import { readAll } from './read-all.js';
import { withoutSecret } from './secret.js';
import { startTimers, type Timers } from './timers.js';
import type { UpstreamRequest, UpstreamResponse } from './transport.js';

/** Upper bound of a JSON answer held in memory; images come as base64, so it is generous. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
/** An error body is for reading, not for storing; some upstreams repeat the whole request in it. */
const MAX_ERROR_BYTES = 64 * 1024 * 1024;

/** What one try needs. */
export interface Work {
  exchange: Exchange;
  target: Target;
  send: Connection['send'];
  request: Omit<UpstreamRequest, 'signal'>;
  /** The client did not ask for the usage chunk, so it must not see it. */
  stripUsage: boolean;
}

export type Result = { answer: Answer } | { failure: Failure };

/** One try at one target. Resolves at the commit point with the answer, or before it with the failure. */
export async function attempt(work: Work, record: Attempt): Promise<Result> {
  const { exchange } = work;
  exchange.capture?.restart('body');
  const controller = new AbortController();
  let timedOut: EndReason | null = null;
  let relay: Relay | null = null;
  const timers = startTimers(work.target.provider.timeouts, (reason) => {
    timedOut = reason;
    relay?.breakOff(reason, timeoutMessage(reason));
    controller.abort();
  });
  exchange.onCancel = () => {
    if (exchange.cancelled === 'shutdown') relay?.breakOff('shutdown', 'The gateway is shutting down.');
    else relay?.destroy();
    controller.abort();
  };

  try {
    const response = await work.send({ ...work.request, signal: controller.signal });
    record.headersUs = sinceStart(exchange);
    record.status = response.status;
    record.rateLimit = rateLimitSnapshot(response.headers);
    if (response.status >= 400 && response.status < 600) {
      const body = await readAll(response.body, MAX_ERROR_BYTES);
      exchange.capture?.answer(body);
      return { failure: { kind: 'answer', status: response.status, headers: response.headers, body } };
    }
    if (!isEventStream(response)) return await takeWhole(work, record, response, timers);
    relay = openRelay(work, record, response.body, timers);
    const early = await relay.ready;
    if (early !== null) return { failure: earlyFailure(exchange, early, response) };
    noteCommit(work, record);
    return { answer: { status: response.status, headers: streamHeaders(response), body: relay.output } };
  } catch (error) {
    if (exchange.cancelled !== null) return { failure: { kind: 'cancelled' } };
    if (timedOut !== null) return { failure: broken(timedOut, timeoutMessage(timedOut), record.status) };
    return { failure: transportFailure(error, record.status) };
  } finally {
    if (relay === null || record.firstContentUs === null) exchange.onCancel = null;
    if (record.firstContentUs === null) {
      timers.clear();
      record.totalUs = sinceStart(exchange) - record.startedUs;
      exchange.upstreamUs += record.totalUs;
    }
  }
}

/** A JSON answer is checked before its first byte leaves, so that a broken one can still be answered by another. */
async function takeWhole(
  work: Work,
  record: Attempt,
  response: UpstreamResponse,
  timers: Timers,
): Promise<Result> {
  timers.content();
  const body = await readAll(response.body, MAX_ANSWER_BYTES, timers.activity);
  timers.clear();
  work.exchange.capture?.answer(body);
  const answer = parseObject(body);
  if (answer === null || !isSuccess(response)) {
    const what = answer === null ? 'something that is not a JSON object' : 'neither an answer nor an error';
    const message = `The upstream answered ${response.status} with ${what}.`;
    return { failure: broken('upstream_invalid', message, response.status) };
  }
  if (answer.error !== null && answer.error !== undefined) {
    const status = errorStatus(answer.error) ?? 502;
    return { failure: { kind: 'answer', status, headers: response.headers, body } };
  }
  record.firstContentUs = sinceStart(work.exchange);
  record.totalUs = record.firstContentUs - record.startedUs;
  noteAnswer(work, answer);
  noteCommit(work, record);
  const headers = responseHeaders(response.headers);
  headers['content-type'] ??= 'application/json; charset=utf-8';
  return { answer: { status: response.status, headers, body } };
}

function openRelay(work: Work, record: Attempt, body: Readable, timers: Timers): Relay {
  const { exchange } = work;
  const tap = createTap({ stripUsage: work.stripUsage });
  exchange.capture?.restart('events');
  let lastUs: number | null = null;
  let largestGapUs: number | null = null;
  return createRelay(body, {
    tap,
    timers,
    onRead(chunk) {
      exchange.capture?.piece(chunk);
      const now = sinceStart(exchange);
      if (lastUs !== null) largestGapUs = Math.max(largestGapUs ?? 0, now - lastUs);
      lastUs = now;
    },
    onContent() {
      record.firstContentUs = lastUs;
    },
    onWrite(bytes) {
      exchange.bytesOut = (exchange.bytesOut ?? 0) + bytes;
    },
    onEnd(end) {
      exchange.onCancel = null;
      exchange.lastByteUs = lastUs;
      exchange.largestGapUs = largestGapUs;
      noteStream(work, record, tap.facts, end);
    },
    onDelivered() {
      exchange.delivered = true;
    },
    shownError: (bytes) => withoutSecret(bytes, work.target.provider),
    // What the transport said is for the record; it may name addresses of the operator's network.
    errorEvent(endReason) {
      const { name } = work.target.provider;
      const message =
        endReason === 'shutdown'
          ? 'The gateway is shutting down.'
          : `The provider "${name}" broke off its answer (${endReason.replaceAll('_', ' ')}).`;
      return `data: ${JSON.stringify(errorBody(codeFor(endReason), message))}\n\n`;
    },
  });
}

function codeFor(endReason: EndReason) {
  if (endReason === 'shutdown') return 'shutting_down';
  return endReason.endsWith('_timeout') ? 'upstream_timeout' : 'upstream_error';
}

/** What a stream must carry so that nothing on the way buffers, changes or keeps it. */
function streamHeaders(response: UpstreamResponse): Record<string, string | string[]> {
  const headers = responseHeaders(response.headers);
  headers['content-type'] ??= 'text/event-stream; charset=utf-8';
  headers['cache-control'] = 'no-cache, no-transform';
  headers['x-accel-buffering'] = 'no';
  return headers;
}

/** Redirects are not followed, and what is beyond 599 is no HTTP. */
function isSuccess(response: UpstreamResponse): boolean {
  return response.status < 300;
}

function isEventStream(response: UpstreamResponse): boolean {
  if (!isSuccess(response)) return false;
  const type = response.headers['content-type'];
  return typeof type === 'string' && type.trimStart().toLowerCase().startsWith('text/event-stream');
}

function earlyFailure(exchange: Exchange, early: EarlyEnd, response: UpstreamResponse): Failure {
  if (exchange.cancelled !== null) return { kind: 'cancelled' };
  if (early.error === null) return broken(early.endReason, early.message, response.status);
  const body = Buffer.from(JSON.stringify(early.error.body));
  return { kind: 'answer', status: early.error.status ?? 502, headers: response.headers, body };
}

function broken(endReason: EndReason, message: string, status: number | null): Failure {
  return { kind: 'broken', endReason, message, status };
}

function timeoutMessage(reason: EndReason): string {
  return `The upstream was too slow (${reason.replaceAll('_', ' ')}).`;
}

/** The answer as an object, or null when the bytes are anything else. */
function parseObject(body: Buffer): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An error body inside a 200 may still say which status it means, as `status` or a numeric `code`. */
function errorStatus(error: unknown): number | null {
  if (!isObject(error)) return null;
  const status = Number(error.status ?? error.code);
  return Number.isInteger(status) && status >= 400 && status <= 599 ? status : null;
}
