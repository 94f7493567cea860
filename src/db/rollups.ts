import type { Database } from 'better-sqlite3';
import { type Delta, fewer, longer } from './deltas.js';
import { DAY_MS, HOUR_MS, MINUTE_MS, MINUTES_STORED_MS } from './spans.js';
import { prepareRollupStore, prepareSummaryStore } from './stores.js';
import { VIEWS } from './views.js';

/** Of minutes that have become too old, only so many are removed at once: no batch should wait for them long. */
const EXPIRE_MS = 5 * MINUTE_MS;

/**
 * Prepares the update of rollups and summaries by the sums of a batch, by minute. Call the result inside the
 * transaction that inserted the rows: sums are read, added to and written back, which is only right under the write
 * lock.
 */
export function prepareRollups(client: Database): (minutes: readonly Delta[]) => void {
  const saveHours = prepareSpan(client, HOUR_MS);
  const saveMinutes = prepareSpan(client, MINUTE_MS);
  const saveDays = prepareSummaries(client, DAY_MS);
  const expire = prepareExpiry(client);

  return (minutes) => {
    if (minutes.length === 0) return;
    const kept = Date.now() - MINUTES_STORED_MS;
    const hours = longer(minutes, HOUR_MS);
    saveHours(hours);
    saveDays(longer(hours, DAY_MS));
    saveMinutes(minutes.filter(({ at }) => at >= kept));
    expire(kept);
  };
}

/** Prepares the saving of deltas of one span, in the rollups and in every summary of them. */
export function prepareSpan(client: Database, step: number): (deltas: readonly Delta[]) => void {
  const save = prepareRollupStore(client, step);
  const summarize = prepareSummaries(client, step);
  return (deltas) => {
    for (const delta of deltas) save(delta);
    summarize(deltas);
  };
}

/** Prepares the saving of deltas of one span in every summary. */
export function prepareSummaries(client: Database, step: number): (deltas: readonly Delta[]) => void {
  const views = VIEWS.map(([view, kept]) => ({ kept, save: prepareSummaryStore(client, step, view) }));
  return (deltas) => {
    for (const { kept, save } of views) {
      for (const delta of fewer(deltas, kept)) save(delta);
    }
  };
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
