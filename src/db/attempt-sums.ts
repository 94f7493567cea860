import { eq, sql } from 'drizzle-orm';
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3';
import type { AttemptCount } from './attempt-tally.js';
import { groupColumns, startedWithin, within } from './partials.js';
import type { Dimension } from './reports.js';
import { attemptRollups, attempts, exchanges } from './schema.js';

/** How many attempts of one group went one way; dimensions that are not grouped by are empty. */
export type AttemptPart = AttemptCount & Record<Dimension, string>;

/** Where an attempt was made, and the route of the exchange that made it. */
const PLACE = { provider: attempts.provider, model: attempts.model, route: exchanges.route };

/** Counts the attempts of the exchanges of an id range that started in a window. */
export function prepareAttemptRowSums(db: BetterSQLite3Database, groupBy: Dimension[], key?: string) {
  return db
    .select({
      ...groupColumns(PLACE, groupBy),
      decision: attempts.decision,
      reason: sql<string>`coalesce(${attempts.reason}, '')`,
      attempts: sql<number>`count(*)`,
    })
    .from(exchanges)
    .innerJoin(attempts, eq(attempts.exchangeSeq, exchanges.seq))
    .where(startedWithin(key))
    .groupBy(attempts.decision, attempts.reason, ...groupBy.map((name) => PLACE[name]))
    .prepare();
}

/** Counts the attempts of whole hours. */
export function prepareAttemptRollupSums(db: BetterSQLite3Database, groupBy: Dimension[]) {
  return db
    .select({
      ...groupColumns(attemptRollups, groupBy),
      decision: attemptRollups.decision,
      reason: attemptRollups.reason,
      attempts: sql<number>`sum(${attemptRollups.attempts})`,
    })
    .from(attemptRollups)
    .where(within(attemptRollups.hour))
    .groupBy(attemptRollups.decision, attemptRollups.reason, ...groupBy.map((name) => attemptRollups[name]))
    .prepare();
}
