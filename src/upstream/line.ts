import type { Config } from '../config.js';
import type { Exchange } from '../exchange.js';
import { createQueue, type Queue, type QueueOptions } from '../routing/queue.js';
import type { Picked, Refused } from './dispatch.js';
import { isPassing } from './final.js';

/** Ways to find a target for one exchange. */
export interface Find {
  /** Takes it. */
  pick(): Picked | Refused;
  /** Takes nothing: why there is none. */
  look(): Refused;
  /** Takes nothing: a name for what can be waited for. */
  lane(): string;
}

/** The queues of the routes that have one. */
export interface Line {
  /** Whether requests for the route may have to wait in a queue. */
  isFor(route: string | null): boolean;
  /** A target for the exchange: at once, or when its turn has come; else why there is none. */
  next(exchange: Exchange, route: string | null, find: Find): Promise<Picked | Refused>;
  /** A target of the provider may be free again. */
  poke(provider: string): void;
  rows(): QueueRow[];
  close(): void;
}

/** One queue, for `GET /stats/availability`. */
export interface QueueRow {
  route: string;
  waiting: number;
  max_size: number;
  max_wait_ms: number;
}

/** How often those that wait look whether another worker has freed something. Milliseconds. */
const POLL_MS = 25;

/**
 * Requests of a route with a queue wait for its targets in the order they came: those that can use the same ones in one
 * lane, so that nobody waits behind a request that has no use for what is free. Each worker has lines of its own.
 */
export function createLine(routes: Config['routes'], isShared: boolean): Line {
  const queues = new Map<string, Lanes>();
  const byProvider = new Map<string, Set<Lanes>>();
  for (const { name, queue: options, targets } of Object.values(routes)) {
    if (options === null) continue;
    const queue = createLanes({
      maxSize: options.maxSize,
      maxWaitMs: options.maxWait,
      pollMs: isShared ? POLL_MS : null,
    });
    queues.set(name, queue);
    for (const target of targets) {
      const provider = target.slice(0, target.indexOf('/'));
      const known = byProvider.get(provider) ?? new Set();
      byProvider.set(provider, known.add(queue));
    }
  }

  async function wait(queue: Lanes, exchange: Exchange, { pick, look, lane }: Find) {
    let last: Refused | null = null;
    const name = lane();
    const ticket = queue.open(name).enter<Picked | Refused>(
      () => {
        const found = pick();
        if ('permit' in found) return { value: found };
        last = found;
        // What time does not change need not be waited for.
        return found.exhausted || !isPassing(found) ? { value: found } : { retryAt: found.retryAt };
      },
      (exchange.queueUs ?? 0) / 1000,
    );
    exchange.onCancel = ticket.cancel;
    const queued = await ticket.result.finally(() => queue.leave(name));
    exchange.onCancel = null;
    exchange.queueUs = (exchange.queueUs ?? 0) + Math.round(queued.waitedMs * 1000);
    if (queued.outcome === 'served') return queued.value;
    return { ...(last ?? look()), retryAt: queued.retryAt, queue: queued.outcome };
  }

  return {
    isFor: (route) => route !== null && queues.has(route),
    async next(exchange, route, find) {
      const queue = route === null ? undefined : queues.get(route);
      return queue === undefined ? find.pick() : wait(queue, exchange, find);
    },
    poke(provider) {
      for (const queue of byProvider.get(provider) ?? []) queue.poke();
    },
    rows: () =>
      [...queues].map(([route, { size }]) => {
        const { maxSize, maxWait } = routes[route]?.queue ?? { maxSize: 0, maxWait: 0 };
        return { route, waiting: size(), max_size: maxSize, max_wait_ms: maxWait };
      }),
    close() {
      for (const queue of queues.values()) queue.close();
    },
  };
}

/** The queue of a route, as one for each thing that is waited for. */
interface Lanes {
  size(): number;
  open(name: string): Queue;
  /** Forgets a lane in which nobody is left. */
  leave(name: string): void;
  poke(): void;
  close(): void;
}

function createLanes(options: Pick<QueueOptions, 'maxSize' | 'maxWaitMs' | 'pollMs'>): Lanes {
  const lanes = new Map<string, Queue>();
  let closed = false;

  function size(): number {
    let sum = 0;
    for (const lane of lanes.values()) sum += lane.size;
    return sum;
  }

  function make(name: string): Queue {
    const lane: Queue = createQueue({ ...options, elsewhere: () => size() - lane.size });
    lanes.set(name, lane);
    if (closed) lane.close();
    return lane;
  }

  return {
    size,
    open: (name) => lanes.get(name) ?? make(name),
    leave(name) {
      if (lanes.get(name)?.size === 0) lanes.delete(name);
    },
    poke() {
      for (const lane of lanes.values()) lane.poke();
    },
    close() {
      closed = true;
      for (const lane of lanes.values()) lane.close();
    },
  };
}
