import { setTimeout as wait } from 'node:timers/promises';
import type { Exchange } from '../exchange.js';
import { TOO_MANY_POINTS, TooManyPointsError } from './board.js';
import { startJanitor } from './janitor.js';
import type { Memory } from './memory.js';
import { LedgerOffError, LedgerUnavailableError, reportsOff, sessionsOff } from './off.js';
import { openWriter } from './open.js';
import { createOutbox, type LedgerHealth, type LedgerLogger, type Outbox } from './outbox.js';
import { type Payload, type PayloadRules, PLAIN_RULES } from './payloads.js';
import type { Reports } from './reports.js';
import type { RetentionPolicy } from './retention.js';
import type { Durability } from './schedule.js';
import { createSessions, type Sessions } from './sessions.js';
import type { SmallTasks } from './small-tasks.js';
import type { StoreOptions } from './store.js';
import { createWatch } from './watch.js';
import { createWorker, StoreError, type StoreWorker } from './worker.js';

export type { LedgerHealth, LedgerLogger } from './outbox.js';
export type { Payload } from './payloads.js';

/** The persistent store of exchanges. `record` never throws and never blocks on the disk. */
export interface Ledger {
  /** The database file, `:memory:`, or null when the ledger is off. */
  readonly path: string | null;
  /** `strict`: the last byte of an answer waits for `committed`. */
  readonly durability: Durability;
  /** Queues one settled exchange and the bodies captured of it. The caller does not touch the objects afterwards. */
  record(exchange: Exchange, payloads?: readonly Payload[]): void;
  /**
   * Resolves when all that was recorded before is durable. At once under `relaxed` durability and while the database
   * cannot be written, and after 250 ms in any case: a broken or slow database fails no exchange. Never rejects.
   */
  committed(): Promise<void>;
  /** Resolves when all that was recorded before is committed, or could not be. Never rejects. */
  flush(): Promise<void>;
  health(): LedgerHealth;
  readonly reports: Reports;
  readonly sessions: Sessions;
  /** What is kept over a restart beside the records. */
  readonly memory: Memory;
  /**
   * A small task on the connection that writes, besides the records. Rejects with `LLM_GATEWAY_LEDGER_UNAVAILABLE`, or
   * `LLM_GATEWAY_LEDGER_OFF` when there is no database.
   */
  run<Task extends keyof SmallTasks>(
    task: Task,
    input: SmallTasks[Task]['input'],
  ): Promise<SmallTasks[Task]['output']>;
  /** Calls `listener` within two seconds after another process has written. Returns how to stop that. */
  watch(listener: () => void): () => void;
  /** Flushes, then closes the database. Safe to call twice. */
  close(): Promise<void>;
}

export interface LedgerOptions {
  /** The database file, created with its folder when missing; `:memory:` for none. */
  path: string;
  /** Default `relaxed`: a row is committed within 50 ms. */
  durability?: Durability;
  /** How bodies are stored that are recorded with their exchange. */
  payloads?: PayloadRules;
  /** What is kept; by default everything. */
  retention?: RetentionPolicy;
  logger?: LedgerLogger;
  /** How many exchanges may wait. Default 50 000. */
  queueLimit?: number;
  /** How long `close` keeps trying to save what is queued. Milliseconds, default 5000: a thread on a busy machine takes seconds to start. */
  closeWithin?: number;
}

/** How long the start waits for another process that is opening or migrating the same file. */
const OPEN_WAIT_MS = 5000;
/** A commit takes some milliseconds; a disk that needs longer than this is in trouble. */
const PATIENCE_MS = 250;
/** How often an idle ledger looks whether its file is still there and its thread alive. */
const PROBE_MS = 5000;
const CLOSE_RETRY_MS = 100;

const SILENT: LedgerLogger = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * Opens the database, migrates it, and starts writing what is recorded, in a thread of its own.
 * Throws `LLM_GATEWAY_DATABASE` with the path, the cause and what to do.
 *
 * ```ts
 * const ledger = openLedger({ path: './data/gateway.db', logger: app.log });
 * ledger.record(exchange);
 * await ledger.close();
 * ```
 */
export function openLedger(options: LedgerOptions): Ledger {
  const { path, durability = 'relaxed', logger = SILENT, queueLimit = 50_000, closeWithin = 5000 } = options;
  const synchronous = durability === 'strict' ? 'full' : 'normal';
  // The start fails with what is wrong, and the threads find the file migrated.
  openWriter(path, { synchronous, waitMs: OPEN_WAIT_MS }).close();

  const inMemory = path === ':memory:';
  const { payloads = PLAIN_RULES, retention = null } = options;
  const setup: StoreOptions = { path, synchronous, payloads, role: inMemory ? 'both' : 'write' };
  const writer = createWorker(setup, ({ message }) => outbox.failed(message));
  const reader = inMemory ? writer : createWorker({ ...setup, role: 'read' }, () => {});
  const outbox = createOutbox({
    path,
    durability,
    logger,
    queueLimit,
    patienceMs: PATIENCE_MS,
    send: (batch, transfer) => writer.ask('write', batch, transfer),
  });
  const probe = setInterval(() => void outbox.attempt(), PROBE_MS).unref();
  const janitor =
    retention === null || Object.values(retention).every((limit) => limit === null)
      ? null
      : startJanitor({ path, policy: retention, logger, step: (order) => writer.ask('retain', order) });
  const watch = createWatch(() => writer.ask('changes', null));
  let closing: Promise<void> | null = null;
  // Starts the thread, which takes about 0.1 s.
  void outbox.attempt();

  const read = asking(reader, () => closing !== null);
  const write = asking(writer, () => closing !== null);

  async function shutDown(): Promise<void> {
    clearInterval(probe);
    janitor?.stop();
    watch.stop();
    outbox.stop();
    await save(outbox, performance.now() + closeWithin);
    const { queued, error } = outbox.health();
    if (queued > 0)
      logger.error({ path, lost: queued, error }, 'ledger closed before everything was written');
    outbox.abandon();
    try {
      if (reader !== writer) await reader.stop();
      await writer.stop();
    } catch (cause) {
      // The write-ahead log stays beside the database; the next opening takes it in.
      logger.warn({ path, error: String(cause) }, 'ledger could not fold its write-ahead log in');
    }
  }

  return {
    path,
    durability,
    record: (exchange, payloads = []) => outbox.add({ exchange, payloads }),
    committed: outbox.committed,
    flush: () => closing ?? held(writer, outbox.flush),
    health: outbox.health,
    reports: reportsOf(read, write),
    sessions: sessionsOf(read, write),
    memory: {
      recall: (name) => write('recall', name),
      remember: (note) => write('remember', note),
    },
    run: (task, input) => write(task, input),
    watch: watch.subscribe,
    close: () => {
      closing ??= held(writer, shutDown);
      return closing;
    },
  };
}

/** Tries until everything is written or the time is over. */
async function save(outbox: Outbox, deadline: number): Promise<void> {
  while (outbox.health().queued > 0) {
    const left = Math.max(0, deadline - performance.now());
    await Promise.race([outbox.flush(), wait(left, null, { ref: false })]);
    if (outbox.health().queued === 0 || performance.now() >= deadline) return;
    await wait(CLOSE_RETRY_MS);
  }
}

/** Somebody waits for the outcome, so the process must not end before. */
async function held<Result>(worker: StoreWorker, run: () => Promise<Result>): Promise<Result> {
  const release = worker.hold();
  try {
    return await run();
  } finally {
    release();
  }
}

/** Asks a thread on behalf of a caller, who waits for the answer. */
function asking(worker: StoreWorker, isClosed: () => boolean): StoreWorker['ask'] {
  return async (task, input) => {
    if (isClosed()) throw new LedgerUnavailableError('it is closed');
    try {
      return await held(worker, () => worker.ask(task, input));
    } catch (error) {
      throw explained(error);
    }
  };
}

function sessionsOf(read: StoreWorker['ask'], write: StoreWorker['ask']): Sessions {
  return createSessions({
    sessionList: (query) => read('sessionList', query),
    session: (query) => read('session', query),
    sessionKeys: (id) => read('sessionKeys', id),
    removeSession: (order) => write('removeSession', order),
  });
}

function reportsOf(ask: StoreWorker['ask'], write: StoreWorker['ask']): Reports {
  return {
    totals: (query) => ask('totals', query),
    exchanges: (query) => ask('exchanges', query),
    exchange: (id) => ask('exchange', id),
    sessions: (query) => ask('sessions', query),
    export: (query) => ask('export', query),
    json: (question) => ask('json', question),
    remove: (id) => write('remove', id),
  };
}

function explained(error: unknown): unknown {
  if (!(error instanceof StoreError) || error.code === '') return error;
  return error.code === TOO_MANY_POINTS
    ? new TooManyPointsError()
    : new LedgerUnavailableError(error.message);
}

/** The ledger of a gateway without a database: it takes everything and keeps nothing. */
export function noLedger(): Ledger {
  const nothing = async () => {};
  return {
    path: null,
    durability: 'relaxed',
    record: () => {},
    committed: nothing,
    flush: nothing,
    health: () => ({
      status: 'off',
      queued: 0,
      written: 0,
      dropped: 0,
      shedSuccesses: 0,
      shedPayloads: 0,
      unconfirmed: 0,
      error: null,
    }),
    reports: reportsOff(),
    sessions: sessionsOff(),
    memory: { recall: async () => null, remember: nothing },
    run: async () => {
      throw new LedgerOffError();
    },
    watch: () => () => {},
    close: nothing,
  };
}
