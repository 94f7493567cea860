import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { createStore, type Tasks, type TaskTypes } from './store.js';
import type { Answer, Order, Question } from './worker.js';

/** Reports may take long and can wait; an exchange cannot. */
const READER_NICENESS = 10;

let tasks: Tasks | null = null;

parentPort?.on('message', (order: Order) => {
  if ('open' in order) {
    tasks = createStore(order.open);
    // Elsewhere the priority is the whole process's.
    if (order.open.role === 'read' && process.platform === 'linux') setPriority(READER_NICENESS);
    return;
  }
  const { id } = order;
  answer(order).then(
    (value) => reply({ id, value }),
    (error: unknown) => reply({ id, failure: failureOf(error) }),
  );
});

async function answer<Task extends keyof TaskTypes>({ task, input }: Question<Task>): Promise<unknown> {
  return tasks?.[task](input);
}

function reply(to: Answer): void {
  // A view is only ever sent of bytes that were made for it.
  const bytes = 'value' in to && to.value instanceof Uint8Array ? to.value.buffer : null;
  parentPort?.postMessage(to, bytes instanceof ArrayBuffer ? [bytes] : []);
}

/** Errors lose their code on the way between threads. */
function failureOf(error: unknown): { message: string; code: string } {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return { message: error instanceof Error ? error.message : String(error), code };
}
