import type { Readable } from 'node:stream';

/** One call to a provider, whoever carries it out: a connection pool or the built-in echo. */
export interface UpstreamRequest {
  method: string;
  /** Below the provider's base URL, for example `/chat/completions`. */
  path: string;
  headers: Record<string, string>;
  body: Buffer | Readable | null;
  /** Ends the call at any point: before the answer by rejecting, afterwards by destroying the answer's body. */
  signal: AbortSignal;
  /** Called when a connection takes the request: never, if none could be made. */
  onSent?(): void;
}

export interface UpstreamResponse {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string | string[] | undefined>;
  /** To be read to its end or destroyed. */
  body: Readable;
}
