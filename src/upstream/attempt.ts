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
import { startTimers, type Timers } from './timers.js';
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

/** An answer that has come to its commit point. One of the two methods must be called, at once. */
export interface Won {
  readonly answer: Answer;
  readonly control: Control;
  /** It is the one that goes to the client: writes it into the record. */
  accept(): void;
  /** Another one was taken. */
  discard(): void;
}

export type Result = Won | { failure: Failure };

/** One try at one target. Resolves at the commit point with the answer, or before it with the failure. */
export function attempt(work: Work, record: Attempt): Promise<Result> {
  return new Try(work, record).run();
}

/** Another answer was faster. */
export function lose({ control, report }: Pick<Work, 'control' | 'report'>, record: Attempt): void {
  record.reason = 'hedge_lost';
  control.stop?.();
  report.ended();
}

/** A class, because there is one for each attempt: its methods are shared. */
class Try {
  private readonly cancel = createCancel();
  private readonly timers: Timers;
  private timedOut: EndReason | null = null;
  private relay: Relay | null = null;

  constructor(
    private readonly work: Work,
    private readonly record: Attempt,
  ) {
    const { control, request, target } = work;
    control.captured?.restart('body');
    const { body } = request;
    const uploading = body === null || Buffer.isBuffer(body) ? null : body;
    this.timers = startTimers(target.provider.timeouts, (reason) => this.timeOut(reason), uploading);
    control.stop = () => this.leave();
  }

  async run(): Promise<Result> {
    try {
      return await this.take(await this.send());
    } catch (error) {
      return { failure: this.failureOf(error) };
    } finally {
      this.finish();
    }
  }

  private send(): Promise<UpstreamResponse> {
    const { method, path, headers, body } = this.work.request;
    const onSent = () => this.sent();
    return this.work.send({ method, path, headers, body, cancel: this.cancel, onSent });
  }

  private sent(): void {
    this.record.connectUs = sinceStart(this.work.exchange) - this.record.startedUs;
    this.work.report.sent();
  }

  private take(response: UpstreamResponse): Result | Promise<Result> {
    const { work, record } = this;
    work.report.answered(response);
    record.headersUs = sinceStart(work.exchange);
    record.status = response.status;
    record.rateLimit = rateLimitSnapshot(response.headers, work.target.provider);
    if (response.status >= 400 && response.status < 600) return takeError(work, response);
    const form = expectedForm(work, response);
    if (form === 'nonsense') return { failure: nonsense(response) };
    if (form === 'whole') return takeWhole(work, record, response, this.timers);
    return this.takePieces(response, form);
  }

  private async takePieces(response: UpstreamResponse, form: 'events' | 'bytes'): Promise<Result> {
    const { work, record } = this;
    const { relay, accept } = openRelay(work, record, response, this.timers, form);
    this.relay = relay;
    const early = await relay.ready;
    if (early !== null) return { failure: earlyFailure(work, early, response) };
    const headers = form === 'events' ? streamHeaders(work, response) : byteHeaders(work, response);
    const answer = { status: response.status, headers, body: relay.output };
    return { answer, control: work.control, accept, discard: () => lose(work, record) };
  }

  private timeOut(reason: EndReason): void {
    this.timedOut = reason;
    this.relay?.breakOff(reason, timeoutMessage(reason));
    this.cancel.cancel();
  }

  /** The client has left, or another answer was taken, or the server shuts down. */
  private leave(): void {
    const { exchange, drain, control } = this.work;
    if (exchange.cancelled === 'client_gone' && drain !== null && !control.lost) {
      startDrain(exchange, drain, () => this.stop());
      this.relay?.leave();
    } else this.stop();
  }

  private stop(): void {
    if (this.work.exchange.cancelled === 'shutdown') {
      this.relay?.breakOff('shutdown', 'The gateway is shutting down.');
    } else this.relay?.destroy();
    this.cancel.cancel();
  }

  private failureOf(error: unknown): Failure {
    const { work, record, timedOut } = this;
    if (isStopped(work.exchange, work.control)) return { kind: 'cancelled' };
    if (timedOut !== null) return broken(timedOut, timeoutMessage(timedOut), record.status);
    // A file of ours that cannot be read says nothing about the target.
    if (error instanceof UploadError) throw error;
    return transportFailure(error, record.status);
  }

  private finish(): void {
    const { work, record } = this;
    // An answer that leaves piece by piece goes on.
    if (this.relay === null || record.firstContentUs === null) work.control.stop = null;
    if (record.firstContentUs !== null) return;
    // The answer that is read on is another one's.
    if (!work.control.lost) work.exchange.draining?.end();
    this.timers.clear();
    record.totalUs = sinceStart(work.exchange) - record.startedUs;
  }
}

async function takeError({ control }: Work, { status, headers, body }: UpstreamResponse): Promise<Result> {
  const bytes = await readError(body.stream());
  control.captured?.answer(bytes);
  return { failure: { kind: 'answer', status, headers, body: bytes } };
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
