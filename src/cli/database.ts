import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import { DatabaseError, openReader } from '../db/open.js';
import { CommandError, errorCode } from './failure.js';
import { load } from './load.js';

/** Where a command finds its database: `--db`, or the configuration. */
export interface DatabaseChoice {
  readonly file: string | null;
  readonly db: string | undefined;
}

/** The database file. With `--db` no configuration is read, so none of its variables need to be set. */
export async function databaseFile({ file, db }: DatabaseChoice): Promise<string> {
  const path = db ?? (await configuredPath(file));
  if (path === 'off' || path === ':memory:') {
    throw new CommandError(`there is no database file: database.path is ${path}`);
  }
  refuseMissing(path);
  return path;
}

/** Throws a CommandError when there is no file: a command that only looks makes none. */
export function refuseMissing(path: string): void {
  if (existsSync(path)) return;
  throw new CommandError(
    `there is no database at ${resolve(path)}: name it with --db, or start the gateway first`,
  );
}

async function configuredPath(file: string | null): Promise<string> {
  const { database } = (await load(file)).config;
  return database === false ? 'off' : database.path;
}

/** Runs `use` on a connection that only reads, and closes it. */
export async function withReader<Result>(
  choice: DatabaseChoice,
  use: (client: Database) => Result | Promise<Result>,
): Promise<Result> {
  const path = await databaseFile(choice);
  const client = understood(path, () => openReader(path));
  try {
    return await use(client);
  } catch (error) {
    throw explained(path, error);
  } finally {
    client.close();
  }
}

/** Errors of the database become messages. */
export function understood<Result>(path: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    throw explained(path, error);
  }
}

function explained(path: string, error: unknown): unknown {
  if (error instanceof DatabaseError) return new CommandError(error.message);
  const code = errorCode(error);
  if (!(error instanceof Error) || !code.startsWith('SQLITE_')) return error;
  if (/no such (table|column)/.test(error.message)) {
    return new CommandError(
      `${path} was written by another version of llm-gateway (${error.message}): start the gateway on it once`,
    );
  }
  return new CommandError(`${path} cannot be used: ${error.message} (${code})`);
}
