import type { Database } from 'better-sqlite3';
import { hourOf } from './rollups.js';
import { type AttemptRow, type ExchangeRow, prepareInsert } from './rows.js';
import { attemptRollups } from './schema.js';
import { plus, plusStored } from './sums.js';

/** The rows of one exchange. */
export interface StoredRows {
  exchange: ExchangeRow;
  attempts: AttemptRow[];
}

type Delta = typeof attemptRollups.$inferSelect;

/**
 * Prepares the update of the attempts' rollups by a batch of rows. Call the result inside the transaction that
 * inserted the rows.
 */
export function prepareAttemptRollups(client: Database): (batch: StoredRows[]) => void {
  const added = [attemptRollups.attempts, attemptRollups.totalUs].map(({ name }) => plusStored(name));
  const upsert = prepareInsert<Delta>(client, attemptRollups, {
    onConflict: `on conflict do update set ${added.join(', ')}`,
  });
  return (batch) => {
    for (const delta of aggregate(batch).values()) upsert(delta);
  };
}

/** A batch of hundreds touches a handful of rollups, so its attempts are added up in memory first. */
function aggregate(batch: StoredRows[]): Map<string, Delta> {
  const deltas = new Map<string, Delta>();
  for (const { exchange, attempts } of batch) {
    for (const attempt of attempts) {
      const one = deltaOf(exchange, attempt);
      const key = JSON.stringify([one.hour, one.route, one.provider, one.model, one.decision, one.reason]);
      const before = deltas.get(key);
      if (before) {
        before.attempts += one.attempts;
        before.totalUs = plus(before.totalUs, one.totalUs);
      } else {
        deltas.set(key, one);
      }
    }
  }
  return deltas;
}

function deltaOf(exchange: ExchangeRow, attempt: AttemptRow): Delta {
  return {
    hour: hourOf(exchange.startedAt ?? 0),
    route: exchange.route ?? '',
    provider: attempt.provider ?? '',
    model: attempt.model ?? '',
    decision: attempt.decision ?? 'sent',
    reason: attempt.reason ?? '',
    attempts: 1,
    totalUs: attempt.totalUs,
  };
}
