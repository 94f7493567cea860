import type { Database } from 'better-sqlite3';
import { asc, eq, lte, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { budgetAlerts } from './schema.js';

/** What is to be told, once for each `id`. */
export interface Alert {
  id: string;
  /** JSON text. */
  body: string;
}

/** What can be done with the alerts of one database; every gateway that shares it does. */
export type AlertOrder =
  /** Keeps the alert, unless there was one of that id before. */
  | { kind: 'raise'; alert: Alert }
  /** Those that are due, each to one caller only; they are due again later, until they are delivered or given up. */
  | { kind: 'take' }
  | { kind: 'delivered'; id: string };

const FIRST_RETRY_MS = 2000;
/** The last try is 17 minutes after the first. */
const MAX_TRIES = 10;
const TAKE_LIMIT = 20;

/** Prepares the outbox of alerts; gives the alerts that were taken. `now` is epoch milliseconds. */
export function prepareAlerts(client: Database): (order: AlertOrder, now: number) => Alert[] {
  const db = drizzle(client);

  const next = client.prepare<[number]>('select 1 from budget_alerts where due_at <= ? limit 1');

  function take(now: number): Alert[] {
    const due = db
      .select()
      .from(budgetAlerts)
      .where(lte(budgetAlerts.dueAt, now))
      .orderBy(asc(budgetAlerts.dueAt))
      .limit(TAKE_LIMIT)
      .all();
    for (const { id, tries } of due) {
      const dueAt = tries + 1 < MAX_TRIES ? now + FIRST_RETRY_MS * 2 ** tries : null;
      db.update(budgetAlerts)
        .set({ dueAt, tries: sql`${budgetAlerts.tries} + 1` })
        .where(eq(budgetAlerts.id, id))
        .run();
    }
    return due.map(({ id, body }) => ({ id, body }));
  }

  const run = client.transaction((order: AlertOrder, now: number): Alert[] => {
    if (order.kind === 'take') return take(now);
    if (order.kind === 'raise') {
      const row = { ...order.alert, createdAt: now, tries: 0, dueAt: now, deliveredAt: null };
      db.insert(budgetAlerts).values(row).onConflictDoNothing().run();
    } else {
      db.update(budgetAlerts)
        .set({ dueAt: null, deliveredAt: now })
        .where(eq(budgetAlerts.id, order.id))
        .run();
    }
    return [];
  });
  return (order, now) => {
    // Asked every two seconds: without anything due it takes no lock.
    const idle = order.kind === 'take' && next.get(now) === undefined;
    return idle ? [] : run.immediate(order, now);
  };
}
