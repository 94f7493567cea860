import type { Database } from 'better-sqlite3';
import { preparePayloadRemoval } from './payload-remove.js';

/**
 * Prepares the removal of one exchange by its id, with its attempts, which go with it by their foreign key, and its
 * stored bodies. False when there is none. The rollups keep what it added: they tell what happened.
 */
export function prepareRemoval(client: Database): (id: string) => boolean {
  const find = client.prepare<[string], number>('select seq from exchanges where id = ?').pluck();
  const remove = client.prepare<[number]>('delete from exchanges where seq = ?');
  const removePayloads = preparePayloadRemoval(client);

  const removeOne = client.transaction((id: string): boolean => {
    const seq = find.get(id);
    if (seq === undefined) return false;
    removePayloads(seq);
    return remove.run(seq).changes > 0;
  });
  return (id) => removeOne.immediate(id);
}
