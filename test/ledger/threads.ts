import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Order } from '../../src/db/worker.js';

/** Threads of a ledger, the latest last, and what they were sent. */
export interface Watched {
  threads: Worker[];
  orders: Order[];
}

/** Watches what is sent to threads from now on. The loader that runs the tests has threads of its own. */
export function watchThreads(t: TestContext): Watched {
  const watched: Watched = { threads: [], orders: [] };
  const post = Worker.prototype.postMessage;
  t.mock.method(
    Worker.prototype,
    'postMessage',
    function (this: Worker, ...message: Parameters<typeof post>) {
      const [order] = message;
      if (isOrder(order)) {
        watched.orders.push(order);
        if (!watched.threads.includes(this)) watched.threads.push(this);
      }
      return post.apply(this, message);
    },
  );
  return watched;
}

function isOrder(message: unknown): message is Order {
  return typeof message === 'object' && message !== null && ('open' in message || 'task' in message);
}

/** Ends a thread as if it had broken down. The ledger lets its threads hold no process, not even this one. */
export async function breakDown(thread: Worker | undefined): Promise<void> {
  const alive = setInterval(() => {}, 1000);
  await thread?.terminate();
  clearInterval(alive);
}
