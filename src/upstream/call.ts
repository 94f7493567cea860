import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { UnreadableAnswer } from './failure.js';
import type { UpstreamBody, UpstreamRequest, UpstreamResponse } from './transport.js';
import { errors, util } from './undici.js';

type Settle = { resolve(response: UpstreamResponse): void; reject(error: Error): void };

/** Bytes that are read ahead of who takes them from a stream. */
const READ_AHEAD_BYTES = 64 * 1024;

/** Sends a request through a dispatcher. Rejects when there is no answer. */
export function call(
  dispatcher: Dispatcher,
  path: string,
  request: UpstreamRequest,
): Promise<UpstreamResponse> {
  const { method, headers, body } = request;
  return new Promise((resolve, reject) => {
    const under = new Call(request, { resolve, reject });
    dispatcher.dispatch({ method: method as Dispatcher.HttpMethod, path, headers, body }, under);
  });
}

/**
 * One call as undici tells of it, and the body of its answer. `dispatcher.request` does the same with a stream and an
 * `AbortSignal` for each call, which costs about 15 µs more. A class, because there is one for each call.
 */
class Call implements Dispatcher.DispatchHandler, UpstreamBody {
  /** Null once the head of an answer is there, or none will come. */
  private settle: Settle | null;
  private abort: ((error?: Error) => void) | null = null;
  private resume: (() => void) | null = null;
  /** What has come and nobody has taken. */
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  private isOver = false;
  private error: Error | null = null;
  private taker: Taker | null = null;

  constructor(
    private readonly request: UpstreamRequest,
    settle: Settle,
  ) {
    this.settle = settle;
    request.cancel.onCancel = () => this.stop(new errors.RequestAbortedError());
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.isOver || this.request.cancel.isCancelled) {
      abort(new errors.RequestAbortedError());
      return;
    }
    this.abort = abort;
    this.request.onSent?.();
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    // Provisional answers say nothing that matters here.
    if (status < 200 || this.settle === null) return true;
    this.resume = resume;
    const headers = util.parseHeaders(rawHeaders) as UpstreamResponse['headers'];
    const { resolve } = this.settle;
    this.settle = null;
    resolve({ status, headers, body: this });
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (this.taker !== null) return this.taker.onData(chunk);
    this.waiting.push(chunk);
    this.waitingBytes += chunk.length;
    return this.waitingBytes < READ_AHEAD_BYTES;
  }

  onComplete(): void {
    this.isOver = true;
    this.resume = null;
    this.taker?.onEnd();
  }

  onError(error: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.resume = null;
    this.error = error;
    const { body } = this.request;
    if (body instanceof Readable && !body.destroyed) body.on('error', () => {}).destroy(error);
    if (this.settle === null) {
      this.taker?.onError(error);
      return;
    }
    const { reject } = this.settle;
    this.settle = null;
    reject(error);
  }

  whole(limit: number, onRead?: () => void): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      let length = 0;
      let told: typeof onRead;
      this.hand({
        onData: (chunk) => {
          told?.();
          length += chunk.length;
          if (length <= limit) parts.push(chunk);
          else this.stop(new UnreadableAnswer(`The upstream's answer is larger than ${limit} bytes.`));
          return true;
        },
        onEnd: () => resolve(parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)),
        onError: reject,
      });
      // Most answers are there as soon as their heads are.
      told = onRead;
      if (!this.isOver && length > 0) told?.();
    });
  }

  stream(): Readable {
    const stream = new Readable({
      highWaterMark: READ_AHEAD_BYTES,
      read: () => this.resume?.(),
      destroy: (error, done) => {
        // An error is a stack, which is worth nothing once the answer is whole.
        if (!this.isOver) this.stop(error ?? new errors.RequestAbortedError());
        done(error);
      },
    });
    this.hand({
      onData: (chunk) => stream.push(chunk),
      onEnd: () => stream.push(null),
      onError: (error) => void stream.destroy(error),
    });
    return stream;
  }

  discard(): void {
    this.stop(new errors.RequestAbortedError());
  }

  /** From now on it is told of everything, beginning with what has come already. */
  private hand(taker: Taker): void {
    this.taker = taker;
    const wasFull = this.waitingBytes >= READ_AHEAD_BYTES;
    let takesMore = true;
    for (const chunk of this.waiting) takesMore = taker.onData(chunk);
    this.waiting = [];
    if (this.error !== null) taker.onError(this.error);
    else if (this.isOver) taker.onEnd();
    else if (wasFull && takesMore) this.resume?.();
  }

  private stop(error: Error): void {
    if (this.isOver) return;
    if (this.abort !== null) this.abort(error);
    // It waits for a connection, and nobody need wait with it; whichever comes finds it over.
    this.onError(error);
  }
}

/** Who takes the body of an answer. */
interface Taker {
  /** False: no more for now, `resume` is called when there is room again. */
  onData(chunk: Buffer): boolean;
  onEnd(): void;
  onError(error: Error): void;
}
