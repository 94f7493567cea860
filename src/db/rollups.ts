import type { Database } from 'better-sqlite3';
import type { Delta } from './deltas.js';
import { DAY_MS, HOUR_MS, MINUTE_MS, MINUTES_STORED_MS } from './spans.js';
import { prepareRollupStore, prepareSummaryStore, type Store } from './stores.js';
import { VIEWS } from './views.js';

/** Of minutes that have become too old, only so many are removed at once: no batch should wait for them long. */
const EXPIRE_MS = 5 * MINUTE_MS;

/** Keeps the rollups and summaries, in the transaction that inserts the rows. */
export interface RollupWriter {
  /** Adds the sums of some rows, by minute. */
  add(minutes: readonly Delta[]): void;
  /** The transaction was rolled back. */
  forget(): void;
}

/**
 * Prepares the update of rollups and summaries. What was written is kept to be added to, as long as nobody else writes
 * to the database: only under the write lock is it certain that nobody does.
 */
export function prepareRollups(client: Database): RollupWriter {
  const lasting = [...prepareSpan(client, HOUR_MS), ...prepareSummaries(client, DAY_MS)];
  const minutes = prepareSpan(client, MINUTE_MS);
  const expire = prepareExpiry(client);
  const version = client.prepare<[], number>('pragma data_version').pluck();
  let known: number | undefined;

  function forget(): void {
    for (const store of lasting) store.forget();
    for (const store of minutes) store.forget();
  }

  return {
    add(deltas) {
      if (deltas.length === 0) return;
      const current = version.get();
      if (current !== known) forget();
      known = current;
      const kept = Date.now() - MINUTES_STORED_MS;
      addAll(lasting, deltas);
      addAll(
        minutes,
        deltas.filter(({ at }) => at >= kept),
      );
      expire(kept);
    },
    forget,
  };
}

/** Prepares the rollups of one span, and every summary of them. */
export function prepareSpan(client: Database, step: number): Store[] {
  return [prepareRollupStore(client, step), ...prepareSummaries(client, step)];
}

/** Prepares every summary of one span. */
export function prepareSummaries(client: Database, step: number): Store[] {
  return VIEWS.map((view) => prepareSummaryStore(client, step, view));
}

/** Adds sums to stores, and writes them. */
export function addAll(stores: readonly Store[], deltas: readonly Delta[]): void {
  for (const store of stores) {
    for (const delta of deltas) store.add(delta);
    store.save();
  }
}

function prepareExpiry(client: Database): (before: number) => void {
  const statements = [
    `delete from minute_rollups
     where minute < min(?, (select min(minute) from minute_rollups) + ${EXPIRE_MS})`,
    ...VIEWS.map(([view]) => {
      const minutes = `step = ${MINUTE_MS} and view = '${view}'`;
      return `delete from summaries where ${minutes}
        and at < min(?, (select min(at) from summaries where ${minutes}) + ${EXPIRE_MS})`;
    }),
  ].map((sql) => client.prepare<[number]>(sql));
  return (before) => {
    for (const statement of statements) statement.run(before);
  };
}
