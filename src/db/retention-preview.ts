import type { Database } from 'better-sqlite3';
import { floorOf, type RetentionPolicy } from './retention.js';

/** What retention by age would remove now, and how large the database is in bytes. */
export function wouldRemove(client: Database, policy: RetentionPolicy, now: number) {
  const size =
    Number(client.pragma('page_count', { simple: true })) *
    Number(client.pragma('page_size', { simple: true }));
  const count = (sql: string, age: number | null) => {
    const floor = floorOf(age, now);
    return floor === null ? 0 : (client.prepare<[string], number>(sql).pluck().get(floor) ?? 0);
  };
  const exchanges = count('select count(*) from exchanges where id < ?', policy.exchanges);
  const payloads = count(
    'select count(*) from captures join exchanges on exchanges.seq = captures.exchange_seq where exchanges.id < ?',
    leastOf(policy.payloads, policy.exchanges),
  );
  return { exchanges, payloads, size };
}

/** Bodies go with their exchange. */
function leastOf(left: number | null, right: number | null): number | null {
  if (left === null || right === null) return left ?? right;
  return Math.min(left, right);
}
