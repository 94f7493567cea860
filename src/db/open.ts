import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import createError from '@fastify/error';
import SQLite, { type Database } from 'better-sqlite3';
import { migrateDatabase, NewerDatabaseError } from './migrate.js';

/** How long opening waits for another process that is opening or migrating the same file. */
const OPEN_BUSY_MS = 5000;
/** While serving, a lock may hold up the event loop for this long and no longer. */
const WRITE_BUSY_MS = 50;

/** The database cannot be used; the message names the path, the cause and what to do. */
export const DatabaseError = createError<[path: string, cause: string, advice: string, details?: object]>(
  'LLM_GATEWAY_DATABASE',
  'database.path "%s" cannot be opened: %s; %s',
);

/** The connection that writes, and the one that reports; the same one for `:memory:`. */
export interface Connections {
  writer: Database;
  reader: Database;
}

/** Opens and migrates. Throws `LLM_GATEWAY_DATABASE`. */
export function openDatabase(path: string): Connections {
  let writer: Database | null = null;
  try {
    if (path !== ':memory:') makeFolder(dirname(path));
    writer = new SQLite(path, { timeout: OPEN_BUSY_MS });
    prepareFile(writer);
    migrateDatabase(writer);
    writer.pragma(`busy_timeout = ${WRITE_BUSY_MS}`);
    const reader =
      path === ':memory:' ? writer : new SQLite(path, { readonly: true, timeout: WRITE_BUSY_MS });
    return { writer, reader };
  } catch (error) {
    writer?.close();
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
function prepareFile(client: Database): void {
  client.pragma('auto_vacuum = incremental');
  whileBusy(() => client.pragma('journal_mode = wal'));
  client.pragma('synchronous = normal');
  client.pragma('foreign_keys = on');
}

/** The change to WAL does not wait for a lock as statements do: two processes on a new file meet here. */
function whileBusy(attempt: () => void): void {
  const deadline = Date.now() + OPEN_BUSY_MS;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      attempt();
      return;
    } catch (error) {
      if (!codeOf(error).startsWith('SQLITE_BUSY') || Date.now() >= deadline) throw error;
      Atomics.wait(sleeper, 0, 0, 10);
    }
  }
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
