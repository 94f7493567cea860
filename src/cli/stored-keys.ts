import { existsSync } from 'node:fs';
import SQLite from 'better-sqlite3';

/** Whether there is a key in a database, perhaps a revoked one. One that cannot be read has none. */
export function hasStoredKeys(path: string): boolean {
  if (path === ':memory:' || !existsSync(path)) return false;
  const client = new SQLite(path, { readonly: true });
  try {
    return client.prepare('select 1 from api_keys limit 1').get() !== undefined;
  } catch {
    // A database of an earlier version, or none at all.
    return false;
  } finally {
    client.close();
  }
}
