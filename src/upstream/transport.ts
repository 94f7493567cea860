import type { Readable } from 'node:stream';

/** One call to a provider, whoever carries it out: a connection pool or the built-in echo. */
export interface UpstreamRequest {
  method: string;
  /** Below the provider's base URL, for example `/chat/completions`. */
  path: string;
  headers: Record<string, string>;
  body: Buffer | Readable | null;
  /** Ends the call at any point: before the answer by rejecting, afterwards by breaking off the answer's body. */
  cancel: Cancel;
  /** Called when a connection takes the request: never, if none could be made. */
  onSent?(): void;
}

export interface UpstreamResponse {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string | string[] | undefined>;
  body: UpstreamBody;
}

/** What follows the head of an answer. Exactly one of these must be called, once. */
export interface UpstreamBody {
  /**
   * All of it; `onRead` is told of each part that is waited for. Rejects when it breaks off, ends early, or is longer than `limit` bytes.
   * Much cheaper than a stream.
   */
  whole(limit: number, onRead?: () => void): Promise<Buffer>;
  stream(): Readable;
  /** Nobody wants it: the call ends. */
  discard(): void;
}

/** Ends a call. What an `AbortController` does, for a tenth of its price. */
export interface Cancel {
  readonly isCancelled: boolean;
  /** Called once, by whoever carries out the call. */
  onCancel: (() => void) | null;
  cancel(): void;
}

export function createCancel(): Cancel {
  return new OneCancel();
}

/** A class, because there is one for each call: its method is shared. */
class OneCancel implements Cancel {
  isCancelled = false;
  onCancel: (() => void) | null = null;

  cancel(): void {
    if (this.isCancelled) return;
    this.isCancelled = true;
    this.onCancel?.();
  }
}
