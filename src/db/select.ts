import { getTableColumns } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';

/**
 * The columns of a table under the names of the schema, for statements that Drizzle would build anew each time.
 * What the schema calls a boolean comes as 0 or 1.
 */
export function selectOf(table: SQLiteTable): string {
  return Object.entries(getTableColumns(table))
    .map(([name, column]) => `"${column.name}" as "${name}"`)
    .join(', ');
}
