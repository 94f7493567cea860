import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Database } from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { migrate } from 'drizzle-orm/better-sqlite3/migrator';
import { completeRollups } from './complete.js';

const MIGRATIONS_TABLE = 'gateway_migrations';

/** The database was written by a later version of this program. */
export class NewerDatabaseError extends Error {}

/**
 * Brings the database to this program's schema, in one transaction.
 * Throws `NewerDatabaseError` when it holds a migration that this program does not have.
 */
export function migrateDatabase(client: Database): void {
  const migrationsFolder = fileURLToPath(import.meta.resolve('#migrations'));
  const known = knownMigrations(migrationsFolder);
  // Neither a lock nor a look at the files, for what is true of nearly every start.
  if (isCurrent(appliedMigrations(client), known)) return;
  client
    .transaction(() => {
      const unknown = appliedMigrations(client).filter((created) => !known.has(created));
      if (unknown.length > 0) {
        throw new NewerDatabaseError(`it holds ${unknown.length} migration(s) of a newer version`);
      }
      migrate(drizzle(nested(client)), { migrationsFolder, migrationsTable: MIGRATIONS_TABLE });
      completeRollups(client);
    })
    .immediate();
}

function isCurrent(applied: readonly number[], known: ReadonlySet<number>): boolean {
  return applied.length === known.size && applied.every((created) => known.has(created));
}

/** When each was made, which is how Drizzle tells them apart. */
function knownMigrations(folder: string): Set<number> {
  const text = readFileSync(`${folder}/meta/_journal.json`, 'utf8');
  const { entries }: { entries: { when: number }[] } = JSON.parse(text);
  return new Set(entries.map(({ when }) => when));
}

function appliedMigrations(client: Database): number[] {
  const table = client.prepare("select 1 from sqlite_master where type = 'table' and name = ?");
  if (!table.get(MIGRATIONS_TABLE)) return [];
  return client
    .prepare<[], [number | string]>(`select created_at from ${MIGRATIONS_TABLE}`)
    .raw()
    .all()
    .map(([created]) => Number(created));
}

/**
 * Drizzle reads what is applied before its own BEGIN, so two processes that start on one empty file would both
 * create the tables. Inside our write transaction, its transaction becomes a savepoint.
 */
function nested(client: Database): Database {
  const statements = new Map([
    ['BEGIN', 'SAVEPOINT migration'],
    ['COMMIT', 'RELEASE migration'],
    ['ROLLBACK', 'ROLLBACK TO migration'],
  ]);
  const view: Database = Object.create(client, {
    prepare: { value: (source: string) => client.prepare(statements.get(source.trim()) ?? source) },
  });
  return view;
}
