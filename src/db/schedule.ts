import { BATCH_ROWS } from './queue.js';

/** Of the promised 50 ms; the rest is for the transaction, and for a busy machine. Most of it costs the same for any number of rows. */
const COMMIT_AFTER_MS = 30;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5000;

/** Whether an answer waits until its record is committed. */
export type Durability = 'relaxed' | 'strict';

/** Decides when the next transaction runs. */
export interface Schedule {
  /** A row was queued; `size` are waiting. */
  queued(size: number): void;
  /** Runs in the next turn of the event loop. */
  soon(): void;
  /** Runs after a pause, unless it already will; the pause doubles each time until `succeeded`. */
  retry(): void;
  succeeded(): void;
  /** Nothing runs after this. */
  stop(): void;
}

/**
 * A schedule of `run`. Under `strict` somebody waits for every row, so it runs in the turn that follows; rows that
 * arrive while it runs make up the next transaction. No timer of it keeps the process alive.
 */
export function createSchedule(durability: Durability, run: () => void): Schedule {
  const commitAtRows = durability === 'strict' ? 1 : BATCH_ROWS;
  let timer: NodeJS.Timeout | null = null;
  let immediate: NodeJS.Immediate | null = null;
  let retryMs = FIRST_RETRY_MS;
  let state: 'idle' | 'waiting' | 'soon' | 'retrying' | 'stopped' = 'idle';

  const clear = () => {
    if (timer) clearTimeout(timer);
    if (immediate) clearImmediate(immediate);
    timer = null;
    immediate = null;
  };
  const fire = () => {
    // An immediate that has run still refers to the one that ran after it, and so on, with all they hold.
    clear();
    state = 'idle';
    run();
  };
  const after = (delay: number) => {
    clear();
    timer = setTimeout(fire, delay).unref();
  };
  const soon = () => {
    if (state === 'soon' || state === 'stopped') return;
    clear();
    state = 'soon';
    immediate = setImmediate(fire);
  };

  return {
    queued(size) {
      if (state !== 'idle' && state !== 'waiting') return;
      if (size >= commitAtRows) soon();
      else if (state === 'idle') {
        state = 'waiting';
        after(COMMIT_AFTER_MS);
      }
    },
    soon,
    retry() {
      if (state === 'stopped' || state === 'retrying') return;
      state = 'retrying';
      after(retryMs);
      retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
    },
    succeeded() {
      retryMs = FIRST_RETRY_MS;
      if (state !== 'retrying') return;
      clear();
      state = 'idle';
    },
    stop() {
      clear();
      state = 'stopped';
    },
  };
}
