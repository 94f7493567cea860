import type { Readable } from 'node:stream';
import type { EndReason } from '../exchange.js';
import { transportFailure } from '../upstream/failure.js';
import type { Timers } from '../upstream/timers.js';
import { createBoundary } from './boundary.js';
import { isErrorEvent, type StreamError } from './event-error.js';
import { linger } from './linger.js';
import { createOutput } from './output.js';
import { createReads } from './reads.js';
import type { Tap } from './tap.js';

/** Held bytes above this are released although no content was seen, so that memory stays bounded. */
const MAX_HELD_BYTES = 1024 * 1024;
const MALFORMED = 'The upstream sent an event that is not JSON.';

/** How a relay ended after its commit point. */
export type RelayEnd =
  | { kind: 'complete' }
  | { kind: 'broken'; endReason: EndReason; message: string }
  /** The client left, or the gateway gave up: nobody reads any more. */
  | { kind: 'stopped' };

/** Why a stream came to nothing before its first content. */
export interface EarlyEnd {
  endReason: EndReason;
  message: string;
  /** The upstream's own error event, if it sent one. */
  error: StreamError | null;
}

export interface RelayOptions {
  tap: Tap;
  timers: Timers;
  /** Called for what was read of the upstream at once, with the bytes as it sent them; `at` is of `performance.now()`. */
  onRead(chunks: readonly Buffer[], at: number): void;
  /** Called once, when the first content was read. */
  onContent(): void;
  /** Called for every write towards the client. */
  onWrite(bytes: number): void;
  /** Called once after the commit point, when the answer is over, before the client can notice. */
  onEnd(end: RelayEnd): void;
  /** Called once, when the consumer has been handed the terminator. */
  onDelivered(): void;
  /** What the client may see of bytes with an upstream's error event in them. */
  shownError(bytes: Buffer): Buffer;
  /** What a client reads when an answer that is no stream of events broke off before any of it was sent. */
  failure(endReason: EndReason, message: string): Error;
  /**
   * The event that tells the client that the answer broke off. Null when the answer is no stream of events: then
   * only a connection that breaks can tell.
   */
  errorEvent(endReason: EndReason): string | null;
  /** Whether an answer that ends without saying that it is complete was cut off. */
  mustSayEnd: boolean;
  /** Resolves when the record is durable: the last bytes wait for that. Null when nothing has to. */
  seal: (() => Promise<void>) | null;
  /** How many more bytes are read for the record when the client has left; null: the upstream is let go at once. */
  drainBytes: number | null;
}

/** Upstream bytes on their way to the client. */
export interface Relay {
  /** Resolves at the first content with null, or with what went wrong before it. */
  readonly ready: Promise<EarlyEnd | null>;
  /** What the client gets. Reading it drives the upstream, so backpressure is kept. */
  readonly output: Readable;
  /** Breaks off. After the commit point the client is told, unless it is the one that left. */
  breakOff(endReason: EndReason, message: string): void;
  /** The client has left: reads on for the record, if that was asked for, else stops. */
  leave(): void;
  /** Stops without a word; both ends are closed. */
  destroy(): void;
}

/**
 * Reads `body` through the tap. Bytes are held until the first content, and then flow as fast as the client
 * takes them.
 */
export function createRelay(body: Readable, options: RelayOptions): Relay {
  const { tap, timers } = options;
  let state: 'holding' | 'flowing' | 'draining' | 'over' = 'holding';
  let held: Buffer[] = [];
  let heldBytes = 0;
  let paused = false;
  let ending = false;
  const tail: Buffer[] = [];
  let drained = 0;
  let delivered = false;
  let contentSeen = false;
  const boundary = createBoundary();
  const reads = createReads(read);
  let settleReady: (early: EarlyEnd | null) => void;
  const ready = new Promise<EarlyEnd | null>((resolve) => {
    settleReady = resolve;
  });
  const output = createOutput({
    onReady() {
      if (state !== 'flowing' || !paused) return;
      paused = false;
      timers.resume();
      body.resume();
    },
    onDestroy: leave,
  });
  const { stream } = output;

  // Who reads it may not be listening yet, and an error that nobody listens to would end the process.
  stream.on('error', () => {});
  // A client that reads slowly takes the last bytes after the answer is over.
  stream.once('end', noteDelivered);
  body.on('data', onData);
  body.on('end', onBodyEnd);
  body.on('error', (error: Error) => {
    const { endReason, message } = transportFailure(error, null);
    breakOff(endReason, message);
  });
  body.on('close', () => breakOff('upstream_reset', 'The upstream closed the connection.'));

  function onData(chunk: Buffer): void {
    if (state === 'over') return;
    reads.add(chunk);
    // Before the first content nothing is written that could wait for more.
    if (state !== 'flowing') reads.flush();
  }

  function read(chunks: readonly Buffer[], at: number): void {
    if (state === 'over') return;
    options.onRead(chunks, at);
    timers.activity(at);
    const bytes = tap.write(...chunks);
    if (state === 'draining') drain(chunks);
    else take(bytes);
  }

  function onBodyEnd(): void {
    reads.flush();
    if (state === 'over') return;
    const rest = tap.end();
    if (state === 'draining') {
      stop();
      return;
    }
    const { finished, terminated, error } = tap.facts;
    if (options.mustSayEnd && !finished && !terminated && error === null) {
      // Half an event would reach the client as nonsense: it is told what happened instead.
      breakOff('upstream_incomplete', 'The upstream ended its answer before it was complete.');
    } else {
      take(rest);
      if (state === 'holding') release();
      if (!isOver()) finish({ kind: 'complete' });
    }
  }

  function take(bytes: Buffer): void {
    if (state === 'holding') hold(bytes);
    else push(bytes);
    if (state !== 'flowing') return;
    const { error, malformed, terminated } = tap.facts;
    if (error !== null && !malformed && isErrorEvent(error)) {
      finish({ kind: 'broken', endReason: 'upstream_error', message: error.message });
    } else if (error !== null) breakOff('upstream_error', error.message);
    else if (malformed) breakOff('upstream_invalid', MALFORMED);
    else if (terminated) finish({ kind: 'complete' });
  }

  function hold(bytes: Buffer): void {
    if (bytes.length > 0) held.push(bytes);
    heldBytes += bytes.length;
    const { content, error, malformed, terminated } = tap.facts;
    if (error !== null && !content) endEarly({ endReason: 'upstream_error', message: error.message, error });
    else if (malformed && !content) breakOff('upstream_invalid', MALFORMED);
    else if (content || terminated || heldBytes > MAX_HELD_BYTES) release();
  }

  function release(): void {
    state = 'flowing';
    contentSeen = true;
    timers.content();
    options.onContent();
    const first = held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held);
    held = [];
    settleReady(null);
    push(first);
  }

  function push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    boundary.written(bytes);
    const shown = tap.facts.error === null ? bytes : options.shownError(bytes);
    options.onWrite(shown.length);
    if (options.seal !== null && (ending || tap.facts.terminated || tap.facts.error !== null)) {
      tail.push(shown);
      return;
    }
    if (output.write(shown)) return;
    paused = true;
    timers.pause();
    body.pause();
  }

  /** The client has all that was pushed once the buffer is empty and the terminator was among it. */
  function noteDelivered(): void {
    if (delivered || !tap.facts.terminated || !output.isTaken()) return;
    delivered = true;
    options.onDelivered();
  }

  function finish(end: RelayEnd): void {
    over();
    options.onEnd(end);
    if (options.seal === null) sendTail();
    else void options.seal().then(sendTail);
    linger(body);
  }

  function sendTail(): void {
    for (const bytes of tail) output.write(bytes);
    output.end();
    noteDelivered();
  }

  function endEarly(early: EarlyEnd): void {
    over();
    body.destroy();
    settleReady(early);
  }

  function breakOff(endReason: EndReason, message: string): void {
    reads.flush();
    if (state === 'holding') endEarly({ endReason, message, error: null });
    if (state === 'draining') stop();
    if (state === 'over') return;
    const event = options.errorEvent(endReason);
    if (event === null) {
      over();
      options.onEnd({ kind: 'broken', endReason, message });
      stream.destroy(options.failure(endReason, message));
    } else {
      ending = true;
      // An event that was cut in two must not swallow the one that tells.
      push(Buffer.from(`${boundary.isReached() ? '' : '\n\n'}${event}`));
      finish({ kind: 'broken', endReason, message });
    }
    body.destroy();
  }

  function leave(): void {
    reads.flush();
    if (state === 'draining' || state === 'over') return;
    if (options.drainBytes === null) stop();
    else startDraining();
  }

  /** Nobody waits any more, but what comes is being paid for, so it is counted. */
  function startDraining(): void {
    if (state === 'flowing') timers.resume();
    state = 'draining';
    held = [];
    body.resume();
  }

  function drain(chunks: readonly Buffer[]): void {
    for (const { length } of chunks) drained += length;
    if (tap.facts.content && !contentSeen) {
      contentSeen = true;
      timers.content();
    }
    if (tap.facts.terminated || tap.facts.error !== null || drained > (options.drainBytes ?? 0)) stop();
  }

  function stop(): void {
    if (state === 'over') return;
    if (state !== 'holding') options.onEnd({ kind: 'stopped' });
    settleReady({ endReason: 'client_gone', message: 'The client left.', error: null });
    over();
    body.destroy();
  }

  function isOver(): boolean {
    return state === 'over';
  }

  function over(): void {
    state = 'over';
    timers.clear();
  }

  return {
    ready,
    output: stream,
    breakOff,
    leave,
    destroy() {
      reads.flush();
      stop();
      stream.destroy();
    },
  };
}
