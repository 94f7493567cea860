import type { Readable } from 'node:stream';
import type { EndReason } from '../exchange.js';

/** Durations in milliseconds. `connect` is the connection pool's own. */
export interface Timeouts {
  /** From the dispatch to the first content. */
  firstByte: number;
  /** Between two reads of the answer, while the upstream is awaited. */
  idle: number;
  /** The whole attempt. */
  total: number;
}

/** Three clocks over one attempt. Whatever rings first rings alone. */
export interface Timers {
  /** The first content has come: from now on gaps count. */
  content(): void;
  /** Bytes came. */
  activity(): void;
  /** The client is slow: nobody waits for the upstream. */
  pause(): void;
  resume(): void;
  clear(): void;
}

/**
 * Starts the clocks. `onTimeout` is called at most once. With `uploading`, a request body that is still being sent,
 * the wait for the first content begins when that has ended: until then it is the client that is slow.
 */
export function startTimers(
  timeouts: Timeouts,
  onTimeout: (reason: EndReason) => void,
  uploading: Readable | null = null,
): Timers {
  let first: NodeJS.Timeout | null = null;
  let waiting = true;
  let check: NodeJS.Immediate | null = null;
  if (uploading === null) startFirst();
  else uploading.once('close', startFirst);
  const total = setTimeout(ring, timeouts.total, 'total_timeout');
  let idle: NodeJS.Timeout | null = null;
  let flowing = false;

  function ring(reason: EndReason): void {
    clear();
    onTimeout(reason);
  }

  /** After a stall of the event loop timers run before sockets are read: what was waited for may have come. */
  function ringUnlessRead(reason: EndReason): void {
    check = setImmediate(ring, reason);
  }

  function stopCheck(): void {
    if (check !== null) clearImmediate(check);
    check = null;
  }

  function startFirst(): void {
    if (waiting) first = setTimeout(ringUnlessRead, timeouts.firstByte, 'first_byte_timeout');
  }

  function stopFirst(): void {
    waiting = false;
    stopCheck();
    if (first !== null) clearTimeout(first);
    first = null;
    uploading?.removeListener('close', startFirst);
  }

  function clear(): void {
    stopFirst();
    clearTimeout(total);
    stopIdle();
    flowing = false;
  }

  function stopIdle(): void {
    stopCheck();
    if (idle !== null) clearTimeout(idle);
    idle = null;
  }

  function startIdle(): void {
    if (flowing && idle === null) idle = setTimeout(ringUnlessRead, timeouts.idle, 'idle_timeout');
  }

  return {
    content() {
      stopFirst();
      flowing = true;
      startIdle();
    },
    activity() {
      if (idle === null) return;
      stopCheck();
      idle.refresh();
    },
    pause: stopIdle,
    resume: startIdle,
    clear,
  };
}
