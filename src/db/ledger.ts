import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { Exchange } from '../exchange.js';
import { reportsOff } from './off.js';
import { openDatabase } from './open.js';
import { createQueue } from './queue.js';
import { createReports } from './read.js';
import type { Reports } from './reports.js';
import { createSchedule } from './schedule.js';
import { prepareWriter } from './writer.js';

/** Counters and state of the ledger's writer, for `/health` and `/stats`. */
export interface LedgerHealth {
  status: 'ok' | 'degraded' | 'off';
  /** Rows waiting to be written. */
  queued: number;
  written: number;
  /** Rows lost because the queue was full or the database refused them for good. */
  dropped: number;
  /** The last write error, null after a successful write. */
  error: string | null;
}

/** The persistent store of exchanges. `record` never throws and never blocks on the disk. */
export interface Ledger {
  /** The database file, `:memory:`, or null when the ledger is off. */
  readonly path: string | null;
  /** Queues one settled exchange. The caller does not touch the object afterwards. */
  record(exchange: Exchange): void;
  /** Resolves when all that was recorded before is committed, or could not be. Never rejects. */
  flush(): Promise<void>;
  health(): LedgerHealth;
  readonly reports: Reports;
  /** Flushes, then closes the database. Safe to call twice. */
  close(): Promise<void>;
}

/** The part of a logger that the ledger uses; every Fastify and pino logger is one. */
export interface LedgerLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface LedgerOptions {
  /** The database file, created with its folder when missing; `:memory:` for none. */
  path: string;
  logger?: LedgerLogger;
  /** How many exchanges may wait before the oldest are dropped. Default 50 000. */
  queueLimit?: number;
  /** How long `close` keeps trying to save what is queued. Milliseconds, default 2000. */
  closeWithin?: number;
}

/** About 5 ms on the event loop; a larger transaction would be little cheaper per row. */
const MAX_BATCH = 256;
const CLOSE_RETRY_MS = 100;

const SILENT: LedgerLogger = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * Opens the database, migrates it, and starts writing what is recorded.
 * Throws `LLM_GATEWAY_DATABASE` with the path, the cause and what to do.
 *
 * ```ts
 * const ledger = openLedger({ path: './data/gateway.db', logger: app.log });
 * ledger.record(exchange);
 * await ledger.close();
 * ```
 */
export function openLedger(options: LedgerOptions): Ledger {
  const { path, logger = SILENT, queueLimit = 50_000, closeWithin = 2000 } = options;
  const { writer, reader } = openDatabase(path);
  const write = prepareWriter(writer);
  const reports = createReports(reader);
  const queue = createQueue(queueLimit);
  const schedule = createSchedule(() => {
    if (queue.size === 0) return;
    writeBatch();
    if (error === null && queue.size > 0) schedule.soon();
  });
  let written = 0;
  let dropped = 0;
  let error: string | null = null;
  let overflowing = false;
  let refusing = false;
  let closing: Promise<void> | null = null;

  function record(exchange: Exchange): void {
    if (closing) {
      dropped += 1;
      return;
    }
    const lost = queue.push(exchange);
    dropped += lost;
    if (lost > 0 && !overflowing) {
      overflowing = true;
      logger.error({ path, dropped }, 'ledger queue is full: exchanges are being dropped');
    }
    schedule.queued(queue.size);
  }

  /** One transaction; synchronous, so nothing is recorded between its start and its end. */
  function writeBatch(): void {
    try {
      queue.forward(MAX_BATCH, (batch) => {
        const result = write(batch);
        written += result.written;
        dropped += result.refused;
        const { refused, reason } = result;
        if (refused > 0 && !refusing) {
          logger.error({ path, refused, reason }, 'the database refuses exchanges: they are dropped');
        }
        refusing = refused > 0;
      });
      recovered();
    } catch (cause) {
      failed(cause instanceof Error ? cause.message : String(cause));
    }
  }

  function recovered(): void {
    if (error !== null) logger.info({ path, queued: queue.size, dropped }, 'ledger writes again');
    error = null;
    if (queue.size < queueLimit / 2) overflowing = false;
    schedule.succeeded();
  }

  function failed(message: string): void {
    if (error === null) {
      logger.warn(
        { path, error: message, queued: queue.size },
        'ledger cannot write: exchanges are kept queued',
      );
    }
    error = message;
    if (!closing) schedule.retry();
  }

  /** Writes batch by batch what is queued now, giving way to other work in between. */
  async function drain(): Promise<void> {
    for (let due = queue.size; due > 0; due -= MAX_BATCH) {
      if (queue.size === 0) return;
      writeBatch();
      if (error !== null) return;
      if (due > MAX_BATCH) await nextTurn();
    }
  }

  async function shutDown(): Promise<void> {
    schedule.stop();
    const deadline = performance.now() + closeWithin;
    await drain();
    while (queue.size > 0 && performance.now() < deadline) {
      await wait(CLOSE_RETRY_MS);
      await drain();
    }
    if (queue.size > 0) {
      logger.error({ path, lost: queue.size, error }, 'ledger closed before everything was written');
      dropped += queue.size;
    }
    try {
      if (reader !== writer) reader.close();
      writer.pragma('wal_checkpoint(truncate)');
    } catch (cause) {
      // The write-ahead log stays beside the database; the next opening takes it in.
      logger.warn({ path, error: String(cause) }, 'ledger could not fold its write-ahead log in');
    }
    writer.close();
  }

  return {
    path,
    record,
    flush: async () => {
      if (!closing) await drain();
      else await closing;
    },
    health: () => ({
      status: error === null ? 'ok' : 'degraded',
      queued: queue.size,
      written,
      dropped,
      error,
    }),
    reports,
    close: () => {
      closing ??= shutDown();
      return closing;
    },
  };
}

/** The ledger of a gateway without a database: it takes everything and keeps nothing. */
export function noLedger(): Ledger {
  return {
    path: null,
    record: () => {},
    flush: async () => {},
    health: () => ({ status: 'off', queued: 0, written: 0, dropped: 0, error: null }),
    reports: reportsOff(),
    close: async () => {},
  };
}
