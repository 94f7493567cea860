import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import createError from '@fastify/error';
import SQLite, { type Database } from 'better-sqlite3';
import { migrateDatabase, NewerDatabaseError } from './migrate.js';

/** Only while the write-ahead log is recovered does a reader meet a lock. */
const READ_BUSY_MS = 250;

/** The database cannot be used; the message names the path, the cause and what to do. */
export const DatabaseError = createError<[path: string, cause: string, advice: string, details?: object]>(
  'LLM_GATEWAY_DATABASE',
  'database.path "%s" cannot be opened: %s; %s',
);

const BUSY_STEP_MS = 5;

/** What a commit means: `full` survives a power cut, `normal` survives the end of the process. */
export type Synchronous = 'normal' | 'full';

export interface WriterOptions {
  synchronous: Synchronous;
  /** How long to wait for another process that is opening or migrating the same file. Milliseconds. */
  waitMs: number;
}

/** Opens and migrates a database to be written. Throws `LLM_GATEWAY_DATABASE`. */
export function openWriter(path: string, { synchronous, waitMs }: WriterOptions): Database {
  return explained(path, () => {
    if (path !== ':memory:') makeFolder(dirname(path));
    return prepared(new SQLite(path, { timeout: waitMs }), (client) => {
      prepareFile(client, waitMs);
      migrateDatabase(client);
      client.pragma(`synchronous = ${synchronous}`);
      client.pragma('busy_timeout = 0');
    });
  });
}

/** Opens a database that exists to be read. Throws `LLM_GATEWAY_DATABASE`. */
export function openReader(path: string): Database {
  return explained(path, () => new SQLite(path, { readonly: true, timeout: READ_BUSY_MS }));
}

/** A connection that could not be prepared is not left open. */
function prepared(client: Database, prepare: (client: Database) => void): Database {
  try {
    prepare(client);
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

function explained(path: string, open: () => Database): Database {
  try {
    return open();
  } catch (error) {
    const cause = rootOf(error);
    // Of a missing binary the message lists every place where it was sought.
    const [message = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1);
    throw new DatabaseError(path, message, adviceFor(cause), { cause });
  }
}

/** `mkdir -p`. Node 20's own `recursive` never returns where no folder can be made, below `/proc` for one. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** `auto_vacuum` has to come before WAL, which writes the first page and fixes it. */
function prepareFile(client: Database, waitMs: number): void {
  client.pragma('auto_vacuum = incremental');
  // The change to WAL does not wait for a lock as statements do: two processes on a new file meet here.
  whileBusy(() => client.pragma('journal_mode = wal'), waitMs);
  client.pragma('foreign_keys = on');
}

/**
 * Tries again while another connection holds a lock, for at most `waitMs` milliseconds. Where the thread may be told
 * to end this is better than SQLite's own waiting, which cannot be interrupted.
 */
export function whileBusy<Result>(attempt: () => Result, waitMs: number): Result {
  const deadline = Date.now() + waitMs;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || Date.now() >= deadline) throw error;
      Atomics.wait(sleeper, 0, 0, BUSY_STEP_MS);
    }
  }
}

/** Also when it was the opening that met a lock. */
function isBusy(error: unknown): boolean {
  if (codeOf(error).startsWith('SQLITE_BUSY')) return true;
  return error instanceof Error && error.cause !== undefined && isBusy(error.cause);
}

function adviceFor(cause: unknown): string {
  if (cause instanceof NewerDatabaseError) {
    return 'update fastify-llm-gateway, or choose another path';
  }
  const code = codeOf(cause);
  if (isMissingBinary(cause)) {
    return 'better-sqlite3 has no binary for this Node, build it with `npm rebuild better-sqlite3` (npm 11 may want `npm install-scripts approve better-sqlite3` first), or set database: false';
  }
  if (code.startsWith('SQLITE_NOTADB'))
    return 'the file is no SQLite database: move it away or choose another path';
  if (code.startsWith('SQLITE_CORRUPT')) return 'restore the file from a backup, or choose another path';
  if (code.startsWith('SQLITE_BUSY')) return 'another process holds a lock on it: stop that process';
  if (code.startsWith('SQLITE_FULL') || code === 'ENOSPC') return 'the disk is full: make room';
  if (code === 'SQLITE_ERROR') return 'the file may belong to another program: choose another path';
  return 'check that its folder exists and that this process may write there';
}

function isMissingBinary(cause: unknown): boolean {
  return (
    codeOf(cause) === 'ERR_DLOPEN_FAILED' ||
    (cause instanceof Error && cause.message.startsWith('Could not locate the bindings file'))
  );
}

/** Drizzle wraps what the database said in an error that quotes the statement. */
function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? rootOf(error.cause) : error;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
