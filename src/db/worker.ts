import { setTimeout as wait } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import type { StoreOptions, TaskTypes } from './store.js';
import { giveBackThread, takeThread } from './threads.js';

/** A task on its way to a thread. */
export interface Question<Task extends keyof TaskTypes = keyof TaskTypes> {
  id: number;
  task: Task;
  input: TaskTypes[Task]['input'];
}

/** What became of it. */
export type Answer =
  | { id: number; value: unknown }
  | { id: number; failure: { message: string; code: string } };

/** What a thread is sent: first which database it is for, then tasks. */
export type Order = { open: StoreOptions } | Question;

/**
 * A task failed in the thread of the ledger, or the thread stopped. `code` is SQLite's, `LLM_GATEWAY_DATABASE`,
 * `THREAD_GONE`, or empty for a mistake of ours.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError';

  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

/** The side of a thread of the ledger from which it is used. */
export interface StoreWorker {
  /** Starts the thread if there is none; rejects with a `StoreError`. `transfer` is not to be used after. */
  ask<Task extends keyof TaskTypes>(
    task: Task,
    input: TaskTypes[Task]['input'],
    transfer?: readonly ArrayBuffer[],
  ): Promise<TaskTypes[Task]['output']>;
  /** Keeps the process alive until the function it returns is called. The thread by itself does not. */
  hold(): () => void;
  /** Closes the database and lets the thread go. Rejects with what went wrong on the way. */
  stop(): Promise<void>;
}

/** Threads are used by one worker after the other: the answers of one must mean nothing to the next. */
let lastId = 0;

/** How long a thread is waited for when it is to close its database. It closes it all the same when it gets to it. */
const CLOSE_MS = 2000;

/**
 * A thread that does the tasks of a store. When it breaks down, what it was asked rejects, `onLost` hears of it,
 * and the next task starts another.
 */
export function createWorker(options: StoreOptions, onLost: (error: StoreError) => void): StoreWorker {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let thread: Worker | null = null;
  let holders = 0;
  let stopping = false;

  function start(): Worker {
    const started = takeThread(options.role);
    let cause = 'it stopped';
    started.on('message', settle);
    started.on('error', (error: Error) => {
      cause = error.message;
    });
    started.on('exit', () => lost(cause));
    started.postMessage({ open: options } satisfies Order);
    if (holders > 0) started.ref();
    return started;
  }

  function settle(answer: Answer): void {
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('failure' in answer) asked?.reject(new StoreError(answer.failure.message, answer.failure.code));
    else asked?.resolve(answer.value);
  }

  function lost(cause: string): void {
    thread = null;
    const error = new StoreError(`the ledger's thread is gone: ${cause}`, 'THREAD_GONE');
    const abandoned = [...waiting.values()];
    waiting.clear();
    for (const { reject } of abandoned) reject(error);
    if (!stopping) onLost(error);
  }

  const ask: StoreWorker['ask'] = (task, input, transfer = []) =>
    new Promise((resolve, reject) => {
      thread ??= start();
      const id = ++lastId;
      thread.postMessage({ id, task, input } satisfies Order, [...transfer]);
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
    });

  /** Never in the middle of a task: a thread that is terminated while SQLite throws takes the process with it. */
  async function stop(): Promise<void> {
    stopping = true;
    const ending = thread;
    if (ending === null) return;
    const closed = ask('close', null).finally(() => {
      if (thread === ending) giveBackThread(ending, options.role);
    });
    await Promise.race([closed, wait(CLOSE_MS, null, { ref: false })]);
  }

  return {
    ask,
    hold() {
      holders += 1;
      thread?.ref();
      return () => {
        holders -= 1;
        if (holders === 0) thread?.unref();
      };
    },
    stop,
  };
}
