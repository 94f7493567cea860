import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import SQLite, { type Database } from 'better-sqlite3';
import { getTableColumns, getTableName } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { migrate } from 'drizzle-orm/better-sqlite3/migrator';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Bindable } from '../../src/db/rows.js';
import { attempts, exchanges } from '../../src/db/schema.js';
import { ATTEMPT_FORM, EXCHANGE_FORM, named, readSheet, sheetOf } from '../../src/db/sheet.js';
import type { Exchange } from '../../src/exchange.js';
import { temporaryPath } from '../unit/ledger-fixture.js';

const DRIZZLE = fileURLToPath(new URL('../../drizzle/', import.meta.url));
const readJournal = () => JSON.parse(readFileSync(join(DRIZZLE, 'meta/_journal.json'), 'utf8'));

/** How many migrations there are. */
export const MIGRATIONS: number = readJournal().entries.length;

/** A database as the version left it that knew the first `migrations` migrations only. */
export function oldDatabase({
  migrations,
  settledThen,
  rollup,
}: {
  migrations: number;
  settledThen: Exchange[];
  rollup: string;
}): string {
  const path = temporaryPath();
  const client = new SQLite(path);
  client.pragma('auto_vacuum = incremental');
  client.pragma('journal_mode = wal');
  const migrationsFolder = earlierMigrations(migrations);
  migrate(drizzle(client), { migrationsFolder, migrationsTable: 'gateway_migrations' });
  const reader = readSheet(sheetOf(settledThen));
  while (reader.next()) {
    const exchangeSeq = insert(client, exchanges, named(EXCHANGE_FORM, reader.exchange));
    for (let number = 0; number < reader.attempts(); number += 1) {
      insert(client, attempts, { ...named(ATTEMPT_FORM, reader.attempt(number)), exchangeSeq });
    }
  }
  client.exec(rollup);
  client.close();
  return path;
}

function earlierMigrations(count: number): string {
  const folder = temporaryPath('drizzle');
  cpSync(DRIZZLE, folder, { recursive: true });
  mkdirSync(join(folder, 'meta'), { recursive: true });
  const journal = readJournal();
  journal.entries = journal.entries.slice(0, count);
  writeFileSync(join(folder, 'meta/_journal.json'), JSON.stringify(journal));
  return folder;
}

/** Inserts what the table of that version has a column for. */
function insert(client: Database, table: SQLiteTable, row: Record<string, Bindable>): number {
  const name = getTableName(table);
  const info = client.prepare<[string], { name: string }>('select name from pragma_table_info(?)').all(name);
  const existing = new Set(info.map((column) => column.name));
  const columns = Object.entries(getTableColumns(table)).filter(
    ([key, column]) => key in row && existing.has(column.name),
  );
  const names = columns.map(([, column]) => `"${column.name}"`).join(', ');
  const marks = columns.map(() => '?').join(', ');
  const values = columns
    .map(([key]) => row[key] ?? null)
    .map((value) => (typeof value === 'boolean' ? Number(value) : value));
  const statement = client.prepare<Bindable[]>(`insert into "${name}" (${names}) values (${marks})`);
  return Number(statement.run(...values).lastInsertRowid);
}
