import type { LedgerLogger } from './outbox.js';
import type { RetentionOrder, RetentionPolicy, RetentionStep } from './retention.js';

export interface JanitorOptions {
  path: string;
  policy: RetentionPolicy;
  logger: LedgerLogger;
  /** Does one step where the database is open. */
  step(order: RetentionOrder): Promise<RetentionStep>;
}

/** Keeps a ledger within its retention, a little at a time. */
export interface Janitor {
  /** Nothing is removed any more. */
  stop(): void;
}

/** A step, and the pause after it: a tenth of one thread at most, and no commit waits longer than a step. */
const STEP_MS = 2;
const PAUSE_MS = 20;
/** How often it looks when there was nothing to do. */
const REST_MS = 60_000;
/** Emptied pages are filled again by the next rows; giving back the last of them would be work for nothing. */
const SLACK = 0.05;

/** Starts with a pause, because a start has other things to do. */
export function startJanitor({ path, policy, logger, step }: JanitorOptions): Janitor {
  const removed = { payloads: 0, exchanges: 0, sessions: 0, freed: 0 };
  let stopped = false;
  let failing = false;
  let timer = after(PAUSE_MS);

  function after(delay: number): NodeJS.Timeout {
    return setTimeout(() => void run(), delay).unref();
  }

  async function run(): Promise<void> {
    let pause = REST_MS;
    try {
      const done = await step({ policy, now: Date.now(), budgetMs: STEP_MS, slack: SLACK });
      failing = false;
      note(done);
      if (done.more) pause = PAUSE_MS;
    } catch (error) {
      if (!failing && !stopped)
        logger.warn({ path, error: String(error) }, 'ledger retention failed; it goes on');
      failing = true;
    }
    if (!stopped) timer = after(pause);
  }

  function note({ more, ...done }: RetentionStep): void {
    removed.payloads += done.payloads;
    removed.exchanges += done.exchanges;
    removed.sessions += done.sessions;
    removed.freed += done.freed;
    if (more || Object.values(removed).every((count) => count === 0)) return;
    logger.info({ path, ...removed }, 'ledger retention removed what was too old or too much');
    removed.payloads = 0;
    removed.exchanges = 0;
    removed.sessions = 0;
    removed.freed = 0;
  }

  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
