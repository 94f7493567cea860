import { Readable } from 'node:stream';
import type { EndReason } from '../exchange.js';
import type { Timers } from '../upstream/timers.js';
import type { Tap } from './tap.js';

/** Held bytes above this are released although no content was seen, so that memory stays bounded. */
const MAX_HELD_BYTES = 1024 * 1024;
/** How long an upstream may keep its connection open after the terminator before it is closed. */
const LINGER_MS = 1_000;

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
  error: { status: number | null; body: unknown } | null;
}

export interface RelayOptions {
  tap: Tap;
  timers: Timers;
  /** Called for every read of the upstream, with the bytes as it sent them. */
  onRead(chunk: Buffer): void;
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
  /** The event that tells the client that the answer broke off. */
  errorEvent(endReason: EndReason): string;
}

/** Upstream bytes on their way to the client. */
export interface Relay {
  /** Resolves at the first content with null, or with what went wrong before it. */
  readonly ready: Promise<EarlyEnd | null>;
  /** What the client gets. Reading it drives the upstream, so backpressure is kept. */
  readonly output: Readable;
  /** Breaks off. After the commit point the client is told, unless it is the one that left. */
  breakOff(endReason: EndReason, message: string): void;
  /** Stops without a word; both ends are closed. */
  destroy(): void;
}

/**
 * Reads `body` through the tap. Bytes are held until the first content, and then flow as fast as the client
 * takes them.
 */
export function createRelay(body: Readable, options: RelayOptions): Relay {
  const { tap, timers } = options;
  let state: 'holding' | 'flowing' | 'over' = 'holding';
  let held: Buffer[] = [];
  let heldBytes = 0;
  let delivered = false;
  let midEvent = false;
  let settleReady: (early: EarlyEnd | null) => void;
  const ready = new Promise<EarlyEnd | null>((resolve) => {
    settleReady = resolve;
  });
  const output = new Readable({
    read() {
      if (state !== 'flowing') return;
      timers.resume();
      body.resume();
    },
    destroy(error, callback) {
      stop();
      callback(error);
    },
  });

  // A client that reads slowly takes the last bytes after the answer is over.
  output.once('end', noteDelivered);
  body.on('data', onData);
  body.on('end', onBodyEnd);
  body.on('error', (error: Error) => breakOff('upstream_reset', error.message));
  body.on('close', () => breakOff('upstream_reset', 'The upstream closed the connection.'));

  function onData(chunk: Buffer): void {
    if (state === 'over') return;
    options.onRead(chunk);
    timers.activity();
    take(tap.write(chunk));
  }

  function onBodyEnd(): void {
    if (state === 'over') return;
    const rest = tap.end();
    const { finishReason, terminated, error } = tap.facts;
    if (finishReason === null && !terminated && error === null) {
      // Half an event would reach the client as nonsense: it is told what happened instead.
      breakOff('upstream_incomplete', 'The upstream ended its answer before it was complete.');
    } else {
      take(rest);
      if (!isOver()) finish({ kind: 'complete' });
    }
  }

  function take(bytes: Buffer): void {
    if (state === 'holding') hold(bytes);
    else push(bytes);
    if (state !== 'flowing') return;
    const { error, terminated } = tap.facts;
    if (error !== null) finish({ kind: 'broken', endReason: 'upstream_error', message: error.message });
    else if (terminated) finish({ kind: 'complete' });
  }

  function hold(bytes: Buffer): void {
    if (bytes.length > 0) held.push(bytes);
    heldBytes += bytes.length;
    const { content, error, terminated } = tap.facts;
    if (error !== null && !content) {
      const { status, body: errorBody, message } = error;
      endEarly({ endReason: 'upstream_error', message, error: { status, body: errorBody } });
    } else if (content || terminated || heldBytes > MAX_HELD_BYTES) release();
  }

  function release(): void {
    state = 'flowing';
    timers.content();
    options.onContent();
    const first = held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held);
    held = [];
    settleReady(null);
    push(first);
  }

  function push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    midEvent = !endsEvent(bytes);
    const shown = tap.facts.error === null ? bytes : options.shownError(bytes);
    options.onWrite(shown.length);
    if (output.push(shown)) return;
    timers.pause();
    body.pause();
  }

  /** The client has all that was pushed once the buffer is empty and the terminator was among it. */
  function noteDelivered(): void {
    if (delivered || !tap.facts.terminated || output.readableLength > 0) return;
    delivered = true;
    options.onDelivered();
  }

  function finish(end: RelayEnd): void {
    over();
    options.onEnd(end);
    output.push(null);
    noteDelivered();
    linger();
  }

  function endEarly(early: EarlyEnd): void {
    over();
    body.destroy();
    settleReady(early);
  }

  function breakOff(endReason: EndReason, message: string): void {
    if (state === 'holding') endEarly({ endReason, message, error: null });
    if (state === 'over') return;
    // An event that was cut in two must not swallow the one that tells.
    push(Buffer.from(`${midEvent ? '\n\n' : ''}${options.errorEvent(endReason)}`));
    finish({ kind: 'broken', endReason, message });
    body.destroy();
  }

  /** The answer is complete: let the upstream end its side, so that the connection can be used again. */
  function linger(): void {
    if (body.readableEnded || body.destroyed) return;
    const timer = setTimeout(() => body.destroy(), LINGER_MS);
    timer.unref();
    body.once('close', () => clearTimeout(timer));
    body.resume();
  }

  function stop(): void {
    if (state === 'over') return;
    if (state === 'holding')
      settleReady({ endReason: 'client_gone', message: 'The client left.', error: null });
    else options.onEnd({ kind: 'stopped' });
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
    output,
    breakOff,
    destroy() {
      stop();
      output.destroy();
    },
  };
}

const LF = 0x0a;
const CR = 0x0d;

/** Whether the bytes end with a blank line, in any of the three line ends that SSE knows. */
function endsEvent(bytes: Buffer): boolean {
  const last = bytes[bytes.length - 1];
  const before = bytes[bytes.length - 2];
  if (last === CR) return before === CR;
  return last === LF && (before === LF || (before === CR && bytes[bytes.length - 3] === LF));
}
