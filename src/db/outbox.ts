import { createQueue, type Entry } from './queue.js';
import { createSchedule, type Durability } from './schedule.js';
import { createWaiters } from './waiters.js';
import { type Batch, buffersOf, type Written } from './writer.js';

/** The part of a logger that the ledger uses; every Fastify and pino logger is one. */
export interface LedgerLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** Counters and state of the ledger's writer, for `/health` and `/stats`. */
export interface LedgerHealth {
  status: 'ok' | 'degraded' | 'off';
  /** Rows waiting to be written. */
  queued: number;
  written: number;
  /** Exchanges that are lost: the queue was too full, the database refused them, or the ledger was closed. */
  dropped: number;
  /** How many of the dropped were ordinary successes, which are given up before the queue is full. */
  shedSuccesses: number;
  /** Captured bodies that were given up although their exchange was kept. */
  shedPayloads: number;
  /** Answers that went out before their record was committed. Under `strict` durability only. */
  unconfirmed: number;
  /** The last write error, null after a successful write. */
  error: string | null;
}

export interface OutboxOptions {
  path: string;
  durability: Durability;
  logger: LedgerLogger;
  queueLimit: number;
  /** How long an answer waits for its commit, in milliseconds. */
  patienceMs: number;
  /** Writes one batch in one transaction. */
  send(batch: Batch, transfer: readonly ArrayBuffer[]): Promise<Written>;
}

/** What was recorded and is not written yet. */
export interface Outbox {
  add(entry: Entry): void;
  /** One transaction, also when there is nothing to write: it finds out whether the database can be written. */
  attempt(): Promise<void>;
  /** Resolves when all that was added before is written, or an attempt failed. */
  flush(): Promise<void>;
  /** The same under `strict`, but soon: it gives up when the database is known to be broken, or slow. */
  committed(): Promise<void>;
  /** The database cannot be written; it is tried again. */
  failed(message: string): void;
  health(): LedgerHealth;
  /** Nothing is written by itself any more, and what is added is lost. `attempt` still works. */
  stop(): void;
  /** Gives up what is left. */
  abandon(): void;
}

/** Collects entries, and sends them in batches, one at a time; a batch that failed is sent again. */
export function createOutbox(options: OutboxOptions): Outbox {
  const { path, durability, logger, queueLimit } = options;
  const queue = createQueue(queueLimit);
  const waiters = createWaiters(options.patienceMs);
  const schedule = createSchedule(durability, () => {
    if (flying !== null) overdue = true;
    else if (queue.size > 0 || error !== null) attempt();
  });
  let flying: Promise<void> | null = null;
  /** The time of what waits came while another batch was on its way. */
  let overdue = false;
  let again = false;
  let stopped = false;
  let written = 0;
  let lost = 0;
  let error: string | null = null;
  let overflowing = false;
  let refusing = false;
  let willWriteDown = false;

  function add(entry: Entry): void {
    if (stopped) {
      lost += 1;
      return;
    }
    const before = queue.shed.exchanges;
    queue.push(entry);
    if (!willWriteDown) setImmediate(writeDown);
    willWriteDown = true;
    if (queue.shed.exchanges > before && !overflowing) {
      overflowing = true;
      logger.error({ path, queued: queue.size }, 'ledger queue is full: exchanges are being dropped');
    }
    schedule.queued(queue.waiting);
  }

  /** At the end of the turn of the event loop. */
  function writeDown(): void {
    willWriteDown = false;
    queue.writeDown();
  }

  function attempt(): Promise<void> {
    flying ??= write().finally(landed);
    return flying;
  }

  function landed(): void {
    flying = null;
    if (error === null && queue.size > 0) {
      if (overdue) schedule.soon();
      else schedule.queued(queue.size);
    }
    overdue = false;
  }

  async function write(): Promise<void> {
    const batch = { ...queue.take(), again };
    again = true;
    try {
      const result = await options.send(batch, buffersOf(batch));
      again = false;
      written += result.written;
      lost += result.refused;
      noteRefusal(result);
      queue.forget();
      recovered();
      waiters.release(queue.done);
    } catch (cause) {
      failed(cause instanceof Error ? cause.message : String(cause));
    }
  }

  function noteRefusal({ refused, reason }: Written): void {
    if (refused > 0 && !refusing) {
      logger.error({ path, refused, reason }, 'the database refuses exchanges: they are dropped');
    }
    refusing = refused > 0;
  }

  function recovered(): void {
    if (error !== null) logger.info({ path, queued: queue.size, dropped: dropped() }, 'ledger writes again');
    error = null;
    if (queue.size < queueLimit / 2) overflowing = false;
    schedule.succeeded();
  }

  function failed(message: string): void {
    if (error === null && !stopped) {
      const details = { path, error: message, queued: queue.size };
      logger.warn(details, 'ledger cannot write: exchanges are kept queued');
    }
    error = message;
    waiters.giveUp();
    schedule.retry();
  }

  function committed(): Promise<void> {
    if (durability === 'relaxed' || queue.done === queue.arrivals) return Promise.resolve();
    const waited = waiters.wait(queue.arrivals);
    if (error !== null) waiters.giveUp();
    return waited;
  }

  async function flush(): Promise<void> {
    const due = queue.arrivals;
    do await attempt();
    while (error === null && queue.done < due);
  }

  const dropped = () => lost + queue.shed.exchanges;

  return {
    add,
    attempt,
    flush,
    committed,
    failed,
    health: () => ({
      status: error === null ? 'ok' : 'degraded',
      queued: queue.size,
      written,
      dropped: dropped(),
      shedSuccesses: queue.shed.successes,
      shedPayloads: queue.shed.payloads,
      unconfirmed: waiters.unconfirmed,
      error,
    }),
    stop() {
      stopped = true;
      schedule.stop();
    },
    abandon() {
      lost += queue.size;
      waiters.giveUp();
    },
  };
}
