import type { ServerResponse } from 'node:http';
import { watchClients } from './client-watch.js';
import type { Ledger } from './db/ledger.js';
import {
  cancel,
  type Ending,
  type Exchange,
  finish,
  type Opening,
  openExchange,
  sinceStart,
} from './exchange.js';
import { createInFlight } from './in-flight.js';
import { createLagSampler } from './lag.js';
import type { Capturing } from './payloads/capture.js';

/** How long after the drain deadline a told-to-stop answer may take to reach its client, in milliseconds. */
const LAST_WORDS_MS = 500;

/** The exchanges in flight, and the one place where an exchange is settled. */
export interface Exchanges {
  /** Exchanges that are open now. */
  readonly size: number;
  /** A drain has begun: no new work is to be taken on. */
  readonly draining: boolean;
  /** Opens an exchange whose answer leaves through `response`. */
  open(opening: Opening, response: ServerResponse): Exchange;
  /** Keeps the request body of an exchange whose caller is known, if it may have to be stored. */
  capture(exchange: Exchange, request: Buffer): void;
  /**
   * Completes the record and hands it to the ledger, unless it was sealed before. Only the first call for an exchange
   * has an effect.
   */
  settle(exchange: Exchange, ending: Ending): void;
  /** Calls `listener` with every exchange that is over, until the function it returns is called. It must not throw. */
  onSettled(listener: (exchange: Exchange) => void): () => void;
  /**
   * Waits up to `timeoutMs` milliseconds for the live exchanges, then tells the rest to stop. Resolves when
   * every one is settled.
   */
  drain(timeoutMs: number): Promise<void>;
}

/**
 * Keeps the live exchanges and records each of them exactly once. A client that takes no byte for `clientTimeoutMs`
 * is let go.
 */
export function createExchanges(
  ledger: Ledger,
  clientTimeoutMs: number,
  capturing: Capturing | null = null,
): Exchanges {
  const live = createInFlight();
  const clients = watchClients(live, clientTimeoutMs);
  const sealed = new WeakSet<Exchange>();
  const lag = createLagSampler(() => live.size > 0);
  const listeners = new Set<(exchange: Exchange) => void>();
  let onEmpty: (() => void) | null = null;
  let draining = false;

  function settle(exchange: Exchange, ending: Ending): void {
    if (exchange.draining === null) settleNow(exchange, ending);
    else if (exchange.totalUs === null) {
      // The exchange is over for its client, but not what is counted of it.
      exchange.totalUs = sinceStart(exchange);
      void exchange.draining.ended.then(() => settleNow(exchange, ending));
    }
  }

  function settleNow(exchange: Exchange, ending: Ending): void {
    if (!live.delete(exchange)) return;
    if (!sealed.has(exchange)) record(exchange, ending);
    if (live.size === 0) onEmpty?.();
  }

  /** What becomes of an answer that is complete but for its last byte is no longer in the gateway's hands. */
  function seal(exchange: Exchange, ending: Ending): Promise<void> {
    if (live.has(exchange) && !sealed.has(exchange)) {
      sealed.add(exchange);
      exchange.delivered = true;
      record(exchange, ending);
    }
    return ledger.committed();
  }

  function record(exchange: Exchange, ending: Ending): void {
    exchange.lagUs = lag.since(exchange.startTick);
    finish(exchange, ending);
    for (const act of exchange.onSettled ?? []) act(exchange);
    const payloads = exchange.capture?.end(exchange);
    forget(exchange);
    ledger.record(exchange, payloads);
    for (const listener of listeners) listener(exchange);
  }

  function empty(timeoutMs: number): Promise<void> {
    if (live.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(done, timeoutMs);
      onEmpty = done;
      function done(): void {
        clearTimeout(timer);
        onEmpty = null;
        resolve();
      }
    });
  }

  return {
    get size() {
      return live.size;
    },
    get draining() {
      return draining;
    },
    open(opening, response) {
      const exchange = openExchange(opening);
      if (ledger.durability === 'strict') {
        exchange.seal = (status, bytesOut) => seal(exchange, { status, bytesOut });
      }
      live.add(exchange, response);
      lag.wake();
      return exchange;
    },
    capture(exchange, request) {
      exchange.capture = capturing?.begin(exchange.caller?.capture ?? null, request) ?? null;
    },
    settle,
    onSettled(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async drain(timeoutMs) {
      draining = true;
      await empty(timeoutMs);
      for (const [exchange] of live.list()) cancel(exchange, 'shutdown');
      await empty(LAST_WORDS_MS);
      for (const [exchange, response] of live.list()) {
        response.destroy();
        if (!sealed.has(exchange)) cutOff(exchange);
        settleNow(exchange, { status: response.headersSent ? response.statusCode : null, bytesOut: null });
      }
      clients.stop();
    },
  };
}

/** A record waits in a queue until it is written: what was held for the request must not wait with it. */
function forget(exchange: Exchange): void {
  exchange.onSettled = null;
  exchange.reserveTokens = null;
  exchange.limitPermit = null;
  exchange.capture = null;
}

/** The gateway closes the connection: an answer its client had not taken in full is not the client's doing. */
function cutOff(exchange: Exchange): void {
  if (exchange.delivered || (exchange.outcome !== null && exchange.outcome !== 'ok')) return;
  exchange.outcome = exchange.commitUs === null ? 'failed' : 'truncated';
  exchange.endReason = 'shutdown';
}
