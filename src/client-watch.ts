import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import type { Exchange } from './exchange.js';
import type { InFlight } from './in-flight.js';

/** How often answers are looked at, as a share of the time a client may take no byte. */
const LOOKS = 4;

/** What was seen of an answer that its client was slow to take. */
interface Seen {
  taken: number;
  since: number;
}

/** Lets clients go that take no byte of an answer that is there for them. */
export interface ClientWatch {
  stop(): void;
}

/**
 * Looks at the live exchanges from time to time, so that an exchange costs nothing until its client is slow. A client
 * is let go when nothing left for it for `timeoutMs` milliseconds, or up to a quarter longer, although bytes were
 * waiting. Its exchange ends as `aborted`, and `response` is destroyed.
 */
export function watchClients(live: Pick<InFlight, 'list'>, timeoutMs: number): ClientWatch {
  const slow = new WeakMap<Exchange, Seen>();
  const timer = setInterval(look, Math.max(1, Math.ceil(timeoutMs / LOOKS)));
  timer.unref();

  function look(): void {
    const now = performance.now();
    for (const [exchange, response] of live.list()) {
      const waiting = waitingBytes(response);
      if (waiting === 0) {
        slow.delete(exchange);
        continue;
      }
      const taken = takenBytes(response, waiting);
      const seen = slow.get(exchange);
      if (seen === undefined || seen.taken !== taken) slow.set(exchange, { taken, since: now });
      else if (now - seen.since >= timeoutMs) letGo(exchange, response);
    }
  }

  return { stop: () => clearInterval(timer) };
}

function letGo(exchange: Exchange, response: ServerResponse): void {
  if (exchange.outcome === null || exchange.outcome === 'ok') {
    exchange.outcome = 'aborted';
    exchange.endReason = 'client_timeout';
  }
  response.destroy();
}

/** Bytes that were written for the client and have not left. What waits for an earlier answer is not its doing. */
function waitingBytes(response: ServerResponse): number {
  const stream = http2Stream(response);
  if (stream !== null) return stream.writableLength;
  return response.socket === null ? 0 : response.writableLength;
}

/** Bytes that have left: any number that changes with them will do. */
function takenBytes(response: ServerResponse, waiting: number): number {
  const { socket } = response;
  if (http2Stream(response) !== null || socket === null) return -waiting;
  return socket.bytesWritten - socket.writableLength;
}

/** Over HTTP/2 all answers share a socket, and each has a stream. */
function http2Stream(response: ServerResponse): Writable | null {
  const stream = 'stream' in response ? response.stream : null;
  return stream instanceof Writable ? stream : null;
}
