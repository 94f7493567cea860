import type { Database } from 'better-sqlite3';
import { prepareAlerts } from './alerts.js';
import { prepareKeys } from './keys.js';
import { type Note, prepareMemory } from './memory.js';
import { openReader, openWriter, type Synchronous, whileBusy } from './open.js';
import type { PayloadRules } from './payloads.js';
import { type Place, placeOf } from './place.js';
import { createReports, type ReadReports } from './read.js';
import { prepareRemoval } from './removal.js';
import type {
  ExchangeDetail,
  ExchangePage,
  ExchangeQuery,
  ExportPart,
  ExportQuery,
  Question,
  SessionPage,
  SessionQuery,
  Totals,
  TotalsQuery,
} from './reports.js';
import { prepareRetention, type RetentionOrder, type RetentionStep } from './retention.js';
import type { SessionDetail, SessionList } from './session-answers.js';
import {
  createSessionReports,
  type DetailQuery,
  type ListQuery,
  type SessionReports,
} from './sessions-read.js';
import { prepareSessionRemoval, type RemovalOrder, type SessionRemoval } from './sessions-remove.js';
import type { SmallTasks } from './small-tasks.js';
import { prepareSpent } from './spent.js';
import { type Batch, prepareWriter, type Written } from './writer.js';

/** What a thread of the ledger is for. `both`: a database in memory is seen by one connection only. */
export type Role = 'write' | 'read' | 'both';

/** What a thread of the ledger is told when it starts. */
export interface StoreOptions {
  path: string;
  role: Role;
  synchronous: Synchronous;
  /** How bodies are stored. */
  payloads: PayloadRules;
}

/** Everything a thread of the ledger can be asked to do: what it takes and what it gives. */
export interface TaskTypes extends SmallTasks {
  /** Writes a batch; an empty one only finds out whether the file is still there. */
  write: { input: Batch; output: Written };
  totals: { input: TotalsQuery; output: Totals };
  exchanges: { input: ExchangeQuery; output: ExchangePage };
  exchange: { input: string; output: ExchangeDetail | null };
  sessions: { input: SessionQuery; output: SessionPage };
  sessionList: { input: ListQuery; output: SessionList };
  session: { input: DetailQuery; output: SessionDetail | null };
  sessionKeys: { input: string; output: string[] };
  export: { input: ExportQuery; output: ExportPart };
  json: { input: Question; output: Uint8Array };
  /** Removes an exchange by its id. */
  remove: { input: string; output: boolean };
  /** One step of a session's removal. */
  removeSession: { input: RemovalOrder; output: SessionRemoval };
  /** One step of retention. */
  retain: { input: RetentionOrder; output: RetentionStep };
  recall: { input: string; output: string | null };
  remember: { input: Note; output: undefined };
  /** Changes whenever another process has written. */
  changes: { input: null; output: string };
  /** Folds the write-ahead log in and closes the database. */
  close: { input: null; output: undefined };
}

export type Tasks = {
  [Task in keyof TaskTypes]: (
    input: TaskTypes[Task]['input'],
  ) => TaskTypes[Task]['output'] | Promise<TaskTypes[Task]['output']>;
};

/**
 * How long a batch waits for the lock of another process before it is reported: several gateways may share a file.
 * Less than an answer waits for its commit, so that the next answers need not wait.
 */
const BUSY_MS = 200;

interface Connection {
  client: Database;
  place: Place;
  write: ReturnType<typeof prepareWriter> | null;
  changes: ReturnType<typeof changesOf> | null;
  reports: (ReadReports & SessionReports) | null;
}

/**
 * The tasks over one connection, which is opened by the first task and again whenever it broke, or its file was
 * deleted or replaced. Every task throws what SQLite says, or `LLM_GATEWAY_DATABASE`.
 */
export function createStore(options: StoreOptions): Tasks {
  const { path, role, synchronous } = options;
  let current: Connection | null = null;
  let connections = 0;

  function connect(): Connection {
    const client = role === 'read' ? openReader(path) : openWriter(path, { synchronous, waitMs: 0 });
    return {
      client,
      place: placeOf(path),
      write: role === 'read' ? null : prepareWriter(client, options.payloads),
      changes: role === 'read' ? null : changesOf(client),
      reports: role === 'write' ? null : { ...createReports(client), ...createSessionReports(client) },
    };
  }

  function connection(): Connection {
    if (current?.place.moved()) disconnect();
    if (current === null) {
      current = connect();
      connections += 1;
    }
    return current;
  }

  function disconnect(): void {
    current?.client.close();
    current = null;
  }

  function write(batch: Batch): Written {
    for (;;) {
      try {
        const { place, written } = whileBusy(() => commit(batch), BUSY_MS);
        // Committed to a file that nobody will find: the batch belongs into the one that takes its place.
        if (!place.moved()) return written;
      } catch (error) {
        throw distrust(error);
      }
    }
  }

  function commit(batch: Batch) {
    const { write: writeRows, place } = connection();
    if (writeRows === null) throw new Error('this thread of the ledger only reads');
    return { place, written: writeRows(batch) };
  }

  async function report<Result>(
    run: (reports: ReadReports & SessionReports) => Result | Promise<Result>,
  ): Promise<Result> {
    try {
      const { reports } = connection();
      if (reports === null) throw new Error('this thread of the ledger only writes');
      return await run(reports);
    } catch (error) {
      throw distrust(error);
    }
  }

  function change<Result>(run: (changes: NonNullable<Connection['changes']>) => Result): Result {
    try {
      return whileBusy(() => {
        const { changes } = connection();
        if (changes === null) throw new Error('this thread of the ledger only reads');
        return run(changes);
      }, BUSY_MS);
    } catch (error) {
      throw distrust(error);
    }
  }

  /** A lock goes away by itself. After any other error of SQLite the connection may be what is broken. */
  function distrust(error: unknown): unknown {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const broken = code.startsWith('SQLITE_') && !code.startsWith('SQLITE_BUSY');
    if (broken && path !== ':memory:') disconnect();
    return error;
  }

  return {
    write,
    totals: (query) => report((reports) => reports.totals(query)),
    exchanges: (query) => report((reports) => reports.exchanges(query)),
    exchange: (id) => report((reports) => reports.exchange(id)),
    sessions: (query) => report((reports) => reports.sessions(query)),
    sessionList: (query) => report((reports) => reports.sessionList(query)),
    session: (query) => report((reports) => reports.session(query)),
    sessionKeys: (id) => report((reports) => reports.sessionKeys(id)),
    export: (query) => report((reports) => reports.export(query)),
    json: (question) => report((reports) => reports.json(question)),
    remove: (id) => change((changes) => changes.exchange(id)),
    recall: (name) => change((changes) => changes.memory.recall(name)),
    remember: (note) => change((changes) => changes.memory.remember(note)),
    removeSession: (order) => change((changes) => changes.session(order)),
    retain: (order) => change((changes) => changes.old(order)),
    changes: () =>
      change(({ client }) => `${connections} ${client.pragma('data_version', { simple: true })}`),
    keys: () => change(({ keys }) => keys.read()),
    changeKey: (order) => change(({ keys }) => keys.change(order)),
    spent: async (queries) => await change(({ spent }) => spent(queries)),
    alerts: (order) => change(({ alerts }) => alerts(order, Date.now())),
    close() {
      try {
        if (role !== 'read') current?.client.pragma('wal_checkpoint(truncate)');
      } finally {
        disconnect();
      }
      return undefined;
    },
  };
}

function changesOf(client: Database) {
  return {
    client,
    exchange: prepareRemoval(client),
    session: prepareSessionRemoval(client),
    old: prepareRetention(client),
    memory: prepareMemory(client),
    keys: prepareKeys(client),
    spent: prepareSpent(client),
    alerts: prepareAlerts(client),
  };
}
