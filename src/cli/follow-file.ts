import { setTimeout as wait } from 'node:timers/promises';
import { asc, gt, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { summary } from '../db/present.js';
import { exchanges } from '../db/schema.js';
import { type DatabaseChoice, withReader } from './database.js';
import type { Follow } from './tail.js';

/** A gateway commits what ended within 50 ms; nobody sees a difference to this. Milliseconds. */
const POLL_MS = 200;
const PAGE_ROWS = 200;

/** Follows a database file, in the order in which exchanges were written. */
export function followFile(choice: DatabaseChoice): Follow {
  return (take, signal) =>
    withReader(choice, async (client) => {
      const db = drizzle(client);
      const highest = db
        .select({ seq: sql<number | null>`max(${exchanges.seq})` })
        .from(exchanges)
        .get();
      let last = highest?.seq ?? 0;
      while (!signal.aborted) {
        const rows = db
          .select()
          .from(exchanges)
          .where(gt(exchanges.seq, last))
          .orderBy(asc(exchanges.seq))
          .limit(PAGE_ROWS)
          .all();
        for (const row of rows) {
          await take(summary(row));
          last = row.seq;
        }
        if (rows.length < PAGE_ROWS) await wait(POLL_MS, null, { signal }).catch(() => {});
      }
    });
}
