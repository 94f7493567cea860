import type { Database } from 'better-sqlite3';

/**
 * Prepares the removal of one exchange by its id, with its attempts and its links to payloads, which go with it by
 * their foreign keys. False when there is none. The rollups keep what it added: they tell what happened.
 */
export function prepareRemoval(client: Database): (id: string) => boolean {
  const remove = client.prepare<[string]>('delete from exchanges where id = ?');
  return (id) => remove.run(id).changes > 0;
}
