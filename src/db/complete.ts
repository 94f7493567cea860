import type { Database } from 'better-sqlite3';
import { addStored, createCell } from './cell.js';
import type { CountedRows } from './counted.js';
import { type Delta, minuteDeltas } from './deltas.js';
import { addAll, prepareSpan, prepareSummaries } from './rollups.js';
import type { AttemptRow, ExchangeRow } from './rows.js';
import { attempts, exchanges } from './schema.js';
import { selectOf } from './select.js';
import { prepareExtent, readRollups } from './sources.js';
import { DAY_MS, floorTo, HOUR_MS, MINUTE_MS, MINUTES_STORED_MS } from './spans.js';

/**
 * Makes the minutes and the summaries of a database that was written before there were any. Inside the transaction
 * that migrates it; does nothing to any other database.
 */
export function completeRollups(client: Database): void {
  const lacking = client.prepare(
    'select 1 where exists (select 1 from rollups) and not exists (select 1 from summaries)',
  );
  if (!lacking.get()) return;
  const summaries = [...prepareSummaries(client, HOUR_MS), ...prepareSummaries(client, DAY_MS)];
  for (const deltas of days(client)) addAll(summaries, deltas);
  const recent = minuteDeltas(recentRows(client, Date.now() - MINUTES_STORED_MS));
  addAll(prepareSpan(client, MINUTE_MS), recent);
}

/** The rollups, a day at a time. */
function* days(client: Database): IterableIterator<Delta[]> {
  const source = { step: HOUR_MS, view: null };
  const read = readRollups(client, source, {});
  const extent = prepareExtent(client, source)();
  if (extent === null) return;
  for (let since = floorTo(DAY_MS, extent.first); since <= extent.last; since += DAY_MS) {
    const deltas: Delta[] = [];
    read({ since, until: since + DAY_MS }, ({ at, names, stored }) => {
      const cell = createCell();
      addStored(cell, stored);
      deltas.push({ at, names, cell });
    });
    yield deltas;
  }
}

function recentRows(client: Database, since: number): CountedRows[] {
  const rows = client
    .prepare<[number], ExchangeRow & { seq: number }>(
      `select ${selectOf(exchanges)} from exchanges where started_at >= ?`,
    )
    .all(since);
  const tries = client.prepare<[number], AttemptRow>(
    `select ${selectOf(attempts)} from attempts where exchange_seq = ? order by number`,
  );
  return rows.map((row) => ({
    exchange: { ...row, streaming: Boolean(row.streaming) },
    attempts: tries.all(row.seq),
  }));
}
