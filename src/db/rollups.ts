import type { Database } from 'better-sqlite3';
import { createHistogram, type Histogram } from './histogram.js';
import { type ExchangeRow, prepareInsert } from './rows.js';
import { rollups } from './schema.js';
import { plus, plusStored, SUMMED, TOKEN_BUCKETS, unknownSums } from './sums.js';

const HOUR_MS = 3_600_000;

/** The start of the hour that holds an instant. Epoch milliseconds. */
export function hourOf(instant: number): number {
  return Math.floor(instant / HOUR_MS) * HOUR_MS;
}

/** The start of the first hour that begins at or after an instant. Epoch milliseconds. */
export function nextHour(instant: number): number {
  return Math.ceil(instant / HOUR_MS) * HOUR_MS;
}

const DIMENSIONS = ['hour', 'route', 'provider', 'model', 'key', 'outcome', 'streaming'] as const;
const ADDED = ['exchanges', 'usageKnown', 'costKnown', ...SUMMED] as const;

type Dimensions = Pick<typeof rollups.$inferSelect, (typeof DIMENSIONS)[number]>;

interface Delta {
  dimensions: Dimensions;
  sums: Record<(typeof ADDED)[number], number | null>;
  total: Histogram;
  firstContent: Histogram;
}

/**
 * Prepares the update of the rollups by a batch of rows. Call the result inside the transaction that inserted the
 * rows: histograms are read, merged and written back, which is only right under the write lock.
 */
export function prepareRollups(client: Database): (rows: ExchangeRow[]) => void {
  const upsert = prepareInsert(client, rollups, { onConflict: onConflict() });
  const stored = client
    .prepare<unknown[], [Buffer, Buffer]>(
      `select total_histogram, first_content_histogram from rollups
       where ${DIMENSIONS.map((name) => `${rollups[name].name} = ?`).join(' and ')}`,
    )
    .raw();

  return (rows) => {
    for (const delta of aggregate(rows).values()) {
      const { dimensions, sums, total, firstContent } = delta;
      const keys = DIMENSIONS.map((name) => dimensions[name]);
      const before = stored.get(...keys.map((key) => (typeof key === 'boolean' ? Number(key) : key)));
      if (before) {
        total.merge(before[0]);
        firstContent.merge(before[1]);
      }
      upsert({
        ...dimensions,
        ...sums,
        totalHistogram: total.encode(),
        firstContentHistogram: firstContent.encode(),
      });
    }
  };
}

/** Hundreds of rows touch a handful of rollups, so they are added up in memory first. */
function aggregate(rows: ExchangeRow[]): Map<string, Delta> {
  const deltas = new Map<string, Delta>();
  for (const row of rows) {
    const dimensions = dimensionsOf(row);
    const key = JSON.stringify(DIMENSIONS.map((name) => dimensions[name]));
    let delta = deltas.get(key);
    if (!delta) {
      delta = emptyDelta(dimensions);
      deltas.set(key, delta);
    }
    addRow(delta, row);
  }
  return deltas;
}

function dimensionsOf(row: ExchangeRow): Dimensions {
  return {
    hour: hourOf(row.startedAt ?? 0),
    route: row.route ?? '',
    provider: row.provider ?? '',
    model: row.model ?? '',
    key: row.key ?? '',
    outcome: row.outcome ?? 'failed',
    streaming: row.streaming ?? false,
  };
}

function emptyDelta(dimensions: Dimensions): Delta {
  return {
    dimensions,
    sums: { exchanges: 0, usageKnown: 0, costKnown: 0, ...unknownSums() },
    total: createHistogram(),
    firstContent: createHistogram(),
  };
}

function addRow({ sums, total, firstContent }: Delta, row: ExchangeRow): void {
  for (const name of SUMMED) sums[name] = plus(sums[name], row[name]);
  sums.exchanges = plus(sums.exchanges, 1);
  if (TOKEN_BUCKETS.some((name) => row[name] !== null)) sums.usageKnown = plus(sums.usageKnown, 1);
  if (row.costNano !== null) sums.costKnown = plus(sums.costKnown, 1);
  if (row.totalUs !== null) total.add(row.totalUs);
  if (row.firstContentUs !== null) firstContent.add(row.firstContentUs);
}

function onConflict(): string {
  const added = ADDED.map((name) => plusStored(rollups[name].name));
  const replaced = [rollups.totalHistogram, rollups.firstContentHistogram].map(
    (column) => `"${column.name}" = excluded."${column.name}"`,
  );
  return `on conflict do update set ${[...added, ...replaced].join(', ')}`;
}
