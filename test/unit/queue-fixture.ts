import { setImmediate } from 'node:timers/promises';
import { createQueue, type Queue, type Queued, type Ticket, type Turn } from '../../src/routing/queue.js';

/** A clock that stands still until it is moved, with the timers that were started on it. */
export function createClock() {
  let at = 0;
  const timers = new Set<{ at: number; ring: () => void }>();

  return {
    now: () => at,
    setTimer(ring: () => void, ms: number) {
      // Like the platform's: what does not fit into 31 bits rings at once.
      const timer = { at: at + (ms > 2 ** 31 - 1 ? 1 : ms), ring };
      timers.add(timer);
      return () => {
        timers.delete(timer);
      };
    },
    get timers() {
      return timers.size;
    },
    /** Moves the clock as if the timers were late. */
    jump(ms: number) {
      at += ms;
    },
    /** Moves the clock, and rings each timer at its moment. */
    async advance(ms: number) {
      const end = at + ms;
      for (;;) {
        const [first] = [...timers].sort((a, b) => a.at - b.at);
        if (first === undefined || first.at > end) break;
        at = Math.max(at, first.at);
        timers.delete(first);
        first.ring();
        await settled();
      }
      at = end;
    },
  };
}

/** Resolves once every promise that is decided has told so. */
export async function settled(): Promise<void> {
  await setImmediate();
}

/** One request of a scenario. */
export interface Request {
  id: number;
  need: number;
  enteredAt: number;
  ticket: Ticket<number>;
  /** The client has left. */
  left: boolean;
  /** Null while it waits. */
  result: Queued<number> | null;
}

/** A queue before something of which there is a limited amount, refilled at moments that are known before. */
export function createScenario(options: { maxSize: number; maxWaitMs: number; refills: readonly number[] }) {
  const clock = createClock();
  const queue: Queue = createQueue({ ...options, now: clock.now, setTimer: clock.setTimer });
  const requests: Request[] = [];
  /** Whose turn it was, in the order of the turns. */
  const turns: { id: number; at: number; served: boolean }[] = [];
  let released = 0;
  let taken = 0;

  function free(): number {
    return released + options.refills.filter((at) => at <= clock.now()).length - taken;
  }

  function tryOnce(id: number, need: number): Turn<number> {
    const served = need <= free();
    turns.push({ id, at: clock.now(), served });
    if (!served) return { retryAt: options.refills.find((at) => at > clock.now()) ?? null };
    taken += need;
    return { value: id };
  }

  return {
    clock,
    queue,
    requests,
    turns,
    free,
    release(amount: number) {
      released += amount;
      queue.poke();
    },
    enter(need: number, waitedMs?: number): Request {
      const id = requests.length;
      const ticket = queue.enter(() => tryOnce(id, need), waitedMs);
      const request: Request = { id, need, enteredAt: clock.now(), ticket, left: false, result: null };
      void ticket.result.then((result) => {
        request.result = result;
      });
      requests.push(request);
      return request;
    },
    /** Enters a request that can never be served, and takes it out again. */
    passThrough() {
      const never = () => ({ retryAt: options.refills.find((at) => at > clock.now()) ?? null });
      queue.enter(never).cancel();
    },
  };
}
