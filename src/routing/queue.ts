/**
 * What trying once came to: it could be done, or it cannot be before `retryAt` (epoch ms). Null when nobody knows the
 * moment, for example because a call in flight has to end first; then only `poke` or another arrival tries again.
 */
export type Turn<T> = { value: T } | { retryAt: number | null };

/** Why a request left the queue without having been served. */
export type Unserved =
  /** As many wait already as may. */
  | 'full'
  /** The known deadline lies behind the moment at which it would give up. */
  | 'too_long'
  /** It has waited as long as it may. */
  | 'timeout'
  | 'cancelled'
  | 'closed';

/** How waiting ended. `retryAt` is when the first in line can be tried again, epoch ms, if that is known. */
export type Queued<T> = { waitedMs: number } & (
  | { outcome: 'served'; value: T }
  | { outcome: Unserved; retryAt: number | null }
);

/** A place in the queue. */
export interface Ticket<T> {
  /** Rejects only with what `tryOnce` threw. */
  readonly result: Promise<Queued<T>>;
  /** Gives the place up. Does nothing once the result is decided. */
  cancel(): void;
}

/** The requests of a route that wait for one of its targets, first come, first served. */
export interface Queue {
  /** How many wait now. */
  readonly size: number;
  /**
   * Lines up. `tryOnce` is called when it is this request's turn, at once if nobody waits, and again whenever
   * something may have changed, until it returns a value: it has to reserve what it needs before it returns, because
   * the next in line is tried right after it. It is never called for a request that has left. A value is always
   * delivered, even if the request was cancelled meanwhile, so that what was reserved can be given back.
   * `waitedMs` is what the request has waited before, which counts against its patience.
   *
   * @example
   * const ticket = queue.enter(() => {
   *   const permit = reserve(targets);
   *   return permit === null ? { retryAt: earliest(targets) } : { value: permit };
   * });
   * exchange.onCancel = ticket.cancel;
   * const queued = await ticket.result;
   */
  enter<T>(tryOnce: () => Turn<T>, waitedMs?: number): Ticket<T>;
  /** Something became free: the first in line is tried, and after it the next, while there is enough. */
  poke(): void;
  /** Sends everybody away, now and from now on. */
  close(): void;
}

/** What a queue needs. The clock is epoch milliseconds; a timer is started with a delay and returns how to stop it. */
export interface QueueOptions {
  /** How many may wait; 0 lets nobody wait. */
  maxSize: number;
  maxWaitMs: number;
  /** How many wait elsewhere and count against `maxSize`; nobody by default. */
  elsewhere?: () => number;
  /** How often the first in line is tried although nothing has happened here: others may free what it waits for. */
  pollMs?: number | null;
  now?: () => number;
  setTimer?: (callback: () => void, ms: number) => () => void;
}

interface Waiter {
  readonly giveUpAt: number;
  /** Tries once. True when it is done with, false when it has to go on waiting. */
  turn(): boolean;
  leave(why: Unserved): void;
}

/** A longer delay overflows, and fires at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** An empty queue; it holds one timer while somebody waits, and none otherwise. */
export function createQueue(options: QueueOptions): Queue {
  const {
    maxSize,
    maxWaitMs,
    elsewhere = () => 0,
    pollMs = null,
    now = Date.now,
    setTimer = startTimer,
  } = options;
  // A set keeps the order of arrival and gives up a place in the middle at no cost.
  const waiting = new Set<Waiter>();
  let trying: Waiter | null = null;
  /** Why the one that is being tried is to leave, should it not be served. */
  let dismissed: Unserved | null = null;
  let blockedUntil: number | null = null;
  let stopTimer: (() => void) | null = null;
  let closed = false;

  function enter<T>(tryOnce: () => Turn<T>, waitedMs = 0): Ticket<T> {
    const enteredAt = now();
    let place: Waiter | null = null;
    const result = new Promise<Queued<T>>((resolve, reject) => {
      const waited = () => Math.max(0, now() - enteredAt);
      const waiter: Waiter = {
        giveUpAt: enteredAt + maxWaitMs - waitedMs,
        turn() {
          try {
            const turn = tryOnce();
            if ('value' in turn) {
              resolve({ outcome: 'served', value: turn.value, waitedMs: waited() });
              return true;
            }
            blockedUntil = turn.retryAt;
            return false;
          } catch (error) {
            reject(error);
            return true;
          }
        },
        leave: (outcome) => resolve({ outcome, retryAt: blockedUntil, waitedMs: waited() }),
      };
      place = waiter;
      lineUp(waiter, enteredAt);
    });
    return {
      result,
      cancel() {
        if (place !== null) dismiss(place, 'cancelled');
      },
    };
  }

  function lineUp(waiter: Waiter, at: number): void {
    if (closed) {
      waiter.leave('closed');
      return;
    }
    // Nobody may be stuck behind a head whose moment has come, or is not known, just because no one said so.
    if (waiting.size > 0 && (blockedUntil === null || blockedUntil <= at)) serve();
    if (waiting.size > 0 && waiting.size + elsewhere() >= maxSize) {
      waiter.leave('full');
      return;
    }
    waiting.add(waiter);
    if (waiting.size === 1) serve();
    else if (waiter.giveUpAt <= at) dismiss(waiter, 'timeout');
    else arm();
    if (waiting.size + elsewhere() > maxSize) dismiss(waiter, 'full');
  }

  /** Tries the first in line, and each next one once those before it have left. */
  function serve(): void {
    // What a turn itself frees, it has seen: without this a reservation that is undone would be tried for ever.
    if (trying !== null) return;
    for (const waiter of waiting) {
      trying = waiter;
      const done = waiter.turn();
      trying = null;
      const why = dismissed ?? hopeless(waiter);
      dismissed = null;
      if (!done && why === null) break;
      waiting.delete(waiter);
      if (!done && why !== null) waiter.leave(why);
    }
    expire();
    arm();
  }

  function hopeless(waiter: Waiter): Unserved | null {
    if (waiter.giveUpAt <= now()) return 'timeout';
    return blockedUntil !== null && blockedUntil > waiter.giveUpAt ? 'too_long' : null;
  }

  /** Those behind the head may have less patience left, if they have waited before. */
  function expire(): void {
    const at = now();
    for (const waiter of waiting) {
      if (waiter.giveUpAt > at) continue;
      waiting.delete(waiter);
      waiter.leave('timeout');
    }
  }

  function dismiss(waiter: Waiter, why: Unserved): void {
    if (waiter === trying) {
      dismissed = why;
      return;
    }
    const [first] = waiting;
    if (!waiting.delete(waiter)) return;
    waiter.leave(why);
    if (waiter === first) serve();
    else arm();
  }

  /** One timer, for whatever comes first: the head's deadline or somebody's patience. */
  function arm(): void {
    stopTimer?.();
    stopTimer = null;
    if (waiting.size === 0) {
      blockedUntil = null;
      return;
    }
    let at = blockedUntil ?? Number.POSITIVE_INFINITY;
    for (const { giveUpAt } of waiting) at = Math.min(at, giveUpAt);
    if (pollMs !== null) at = Math.min(at, now() + pollMs);
    stopTimer = setTimer(serve, Math.min(MAX_DELAY_MS, Math.max(1, at - now())));
  }

  return {
    get size() {
      return waiting.size;
    },
    enter,
    poke() {
      if (waiting.size > 0) serve();
    },
    close() {
      closed = true;
      for (const waiter of waiting) {
        if (waiter === trying) dismissed = 'closed';
        else if (waiting.delete(waiter)) waiter.leave('closed');
      }
      arm();
    },
  };
}

/** Not unref'ed: a waiting request keeps the process alive until it is served, has given up, or is sent away. */
function startTimer(callback: () => void, ms: number): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}
