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
  /** Bytes came; `at` is of `performance.now()`. Costs next to nothing. */
  activity(at?: number): void;
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
  return new AttemptTimers(timeouts, onTimeout, uploading);
}

/** A class, because there is one for each attempt: its methods are shared. */
class AttemptTimers implements Timers {
  private first: NodeJS.Timeout | null = null;
  private readonly total: NodeJS.Timeout;
  private idle: NodeJS.Timeout | null = null;
  /** When bytes came since the idle timer was set; 0: none did. It is looked at when the timer rings, and not set anew. */
  private activeAt = 0;
  private check: NodeJS.Immediate | null = null;
  private waiting = true;
  private flowing = false;
  private onUploaded: (() => void) | null = null;

  constructor(
    private readonly timeouts: Timeouts,
    private readonly onTimeout: (reason: EndReason) => void,
    private readonly uploading: Readable | null,
  ) {
    if (uploading === null) this.startFirst();
    else {
      this.onUploaded = () => this.startFirst();
      uploading.once('close', this.onUploaded);
    }
    this.total = setTimeout(ring, timeouts.total, this, 'total_timeout');
  }

  content(): void {
    this.stopFirst();
    this.flowing = true;
    this.resume();
  }

  activity(at = performance.now()): void {
    this.activeAt = at;
  }

  pause(): void {
    this.stopCheck();
    if (this.idle !== null) clearTimeout(this.idle);
    this.idle = null;
  }

  resume(): void {
    if (!this.flowing || this.idle !== null) return;
    this.awaitBytes(this.timeouts.idle);
  }

  clear(): void {
    this.stopFirst();
    clearTimeout(this.total);
    this.pause();
    this.flowing = false;
  }

  ring(reason: EndReason): void {
    this.clear();
    this.onTimeout(reason);
  }

  /** After a stall of the event loop timers run before sockets are read: what was waited for may have come. */
  ringUnlessRead(reason: EndReason): void {
    this.check = setImmediate(ring, this, reason);
  }

  /** The same, and bytes that came before count as well. */
  ringUnlessActive(): void {
    this.check = setImmediate(ringOrGoOn, this);
  }

  ringOrGoOn(): void {
    const left = this.activeAt === 0 ? 0 : this.activeAt + this.timeouts.idle - performance.now();
    if (left > 0) this.awaitBytes(Math.ceil(left));
    else this.ring('idle_timeout');
  }

  private awaitBytes(ms: number): void {
    this.activeAt = 0;
    this.idle = setTimeout(ringUnlessActive, ms, this);
  }

  private startFirst(): void {
    if (!this.waiting) return;
    this.first = setTimeout(ringUnlessRead, this.timeouts.firstByte, this, 'first_byte_timeout');
  }

  private stopFirst(): void {
    this.waiting = false;
    this.stopCheck();
    if (this.first !== null) clearTimeout(this.first);
    this.first = null;
    if (this.onUploaded !== null) this.uploading?.removeListener('close', this.onUploaded);
  }

  private stopCheck(): void {
    if (this.check !== null) clearImmediate(this.check);
    this.check = null;
  }
}

function ring(timers: AttemptTimers, reason: EndReason): void {
  timers.ring(reason);
}

function ringUnlessRead(timers: AttemptTimers, reason: EndReason): void {
  timers.ringUnlessRead(reason);
}

function ringUnlessActive(timers: AttemptTimers): void {
  timers.ringUnlessActive();
}

function ringOrGoOn(timers: AttemptTimers): void {
  timers.ringOrGoOn();
}
