/** Answers that wait for their records to be committed. */
export interface Waiters {
  /** How many went out without: the commit failed, or took too long. */
  readonly unconfirmed: number;
  /** Resolves when `release` was called with at least `mark`, or when waiting is given up. */
  wait(mark: number): Promise<void>;
  release(done: number): void;
  /** Nobody waits any longer. */
  giveUp(): void;
}

/** Nobody waits longer than `patienceMs` milliseconds: a slow database may delay an answer, but not fail it. */
export function createWaiters(patienceMs: number): Waiters {
  let waiting: { mark: number; resolve: () => void; timer: NodeJS.Timeout }[] = [];
  let unconfirmed = 0;

  return {
    get unconfirmed() {
      return unconfirmed;
    },
    wait: (mark) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          unconfirmed += 1;
          waiting = waiting.filter((each) => each.timer !== timer);
          resolve();
        }, patienceMs);
        waiting.push({ mark, resolve, timer });
      }),
    release(done) {
      const released = waiting.filter(({ mark }) => mark <= done);
      waiting = waiting.filter(({ mark }) => mark > done);
      for (const { resolve, timer } of released) {
        clearTimeout(timer);
        resolve();
      }
    },
    giveUp() {
      unconfirmed += waiting.length;
      this.release(Number.POSITIVE_INFINITY);
    },
  };
}
