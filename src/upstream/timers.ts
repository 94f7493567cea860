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

/** Starts the clocks. `onTimeout` is called at most once. */
export function startTimers(timeouts: Timeouts, onTimeout: (reason: EndReason) => void): Timers {
  const first = setTimeout(ring, timeouts.firstByte, 'first_byte_timeout');
  const total = setTimeout(ring, timeouts.total, 'total_timeout');
  let idle: NodeJS.Timeout | null = null;
  let flowing = false;

  function ring(reason: EndReason): void {
    clear();
    onTimeout(reason);
  }

  function clear(): void {
    clearTimeout(first);
    clearTimeout(total);
    stopIdle();
    flowing = false;
  }

  function stopIdle(): void {
    if (idle !== null) clearTimeout(idle);
    idle = null;
  }

  function startIdle(): void {
    if (flowing && idle === null) idle = setTimeout(ring, timeouts.idle, 'idle_timeout');
  }

  return {
    content() {
      clearTimeout(first);
      flowing = true;
      startIdle();
    },
    activity() {
      idle?.refresh();
    },
    pause: stopIdle,
    resume: startIdle,
    clear,
  };
}
