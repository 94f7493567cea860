import type { Database } from 'better-sqlite3';
import { addCell, addStored, type Cell, createCell, type StoredCell, storedCell } from './cell.js';
import type { Delta } from './deltas.js';
import { countEncoded } from './histogram.js';
import { packFigures, unpackFigures } from './packed.js';
import type { Bindable } from './rows.js';
import { minuteRollups, rollups, type View } from './schema.js';
import { HOUR_MS, MINUTE_MS } from './spans.js';
import { addFigure, FIGURES, type Figure, type Figures, figure, noFigures, OUTCOMES } from './sums.js';
import { DIMENSIONS, VIEW_DIMENSIONS } from './views.js';

/** The two tables of rollups, by the length of their span in milliseconds. */
export const ROLLUPS = new Map([
  [HOUR_MS, { table: 'rollups', at: rollups.hour.name }],
  [MINUTE_MS, { table: 'minute_rollups', at: minuteRollups.minute.name }],
]);

/** A rollup is of one outcome, which is one of its keys, and its histograms know how many durations there are. */
const COLUMN_FIGURES = FIGURES.filter(isColumn);
const FIGURE_COLUMNS = COLUMN_FIGURES.map((name) => rollups[name].name);
const BLOB_COLUMNS = [rollups.totalHistogram.name, rollups.firstContentHistogram.name];

/** What of a rollup is no dimension, in the order in which `rollupCell` reads it. */
export const ROLLUP_COLUMNS = [...FIGURE_COLUMNS, 'counts', ...BLOB_COLUMNS];
/** The same of a summary, for `summaryCell`. */
export const SUMMARY_COLUMNS = ['counts', 'figures'];

/** One row of a table of rollups, as `raw` returns it. */
export type RawRow = readonly (string | number | null | Buffer)[];

/** Reads the columns `ROLLUP_COLUMNS` of a row, which begin at `from`. */
export function rollupCell(row: RawRow, from: number, outcome: string): StoredCell {
  const rest = from + COLUMN_FIGURES.length;
  const total = bytes(row[rest + 1]);
  const firstContent = bytes(row[rest + 2]);
  const figures = figuresOf(row, from, outcome);
  addFigure(figures, 'totalKnown', countEncoded(total));
  addFigure(figures, 'firstContentKnown', countEncoded(firstContent));
  return {
    figures,
    counts: text(row[rest]),
    total,
    firstContent,
  };
}

function figuresOf(row: RawRow, from: number, outcome: string): Figures {
  const figures = noFigures();
  for (const [position, name] of COLUMN_FIGURES.entries()) {
    const value = row[from + position];
    if (typeof value !== 'number') continue;
    addFigure(figures, name, value);
    if (name === 'exchanges' && isOutcome(outcome)) addFigure(figures, outcome, value);
  }
  return figures;
}

function isColumn(name: Figure): name is keyof typeof rollups.$inferSelect & Figure {
  return name in rollups;
}

function isOutcome(name: string): name is (typeof OUTCOMES)[number] {
  return OUTCOMES.some((outcome) => outcome === name);
}

/** Reads the columns `SUMMARY_COLUMNS` of a row, which begin at `from`. */
export function summaryCell(row: RawRow, from: number): StoredCell {
  const packed = row[from + 1];
  return {
    counts: text(row[from]),
    ...unpackFigures(packed instanceof Buffer ? packed : Buffer.alloc(8)),
  };
}

/** Prepares the adding of a delta to a table of rollups. It reads, merges and writes back: under the write lock only. */
export function prepareRollupStore(client: Database, step: number): (delta: Delta) => void {
  const { table, at } = ROLLUPS.get(step) ?? { table: '', at: '' };
  return prepareStore(client, {
    table,
    keys: [at, ...DIMENSIONS],
    columns: ROLLUP_COLUMNS,
    keyOf: ({ at: start, names }) => [start, ...DIMENSIONS.map((name) => asStored(name, names[name]))],
    read: (row, { names }) => rollupCell(row, 0, names.outcome),
    write: ({ figures, counts, total, firstContent }) => [
      ...COLUMN_FIGURES.map((name) => figure(figures, name)),
      counts,
      Buffer.from(total),
      Buffer.from(firstContent),
    ],
  });
}

/** The same for a view of the summaries. */
export function prepareSummaryStore(client: Database, step: number, view: View): (delta: Delta) => void {
  return prepareStore(client, {
    table: 'summaries',
    keys: ['step', 'view', 'at', ...VIEW_DIMENSIONS],
    columns: SUMMARY_COLUMNS,
    keyOf: ({ at, names }) => [step, view, at, ...VIEW_DIMENSIONS.map((name) => names[name])],
    read: (row) => summaryCell(row, 0),
    write: (cell) => [cell.counts, packFigures(cell)],
  });
}

interface StoreOptions {
  table: string;
  keys: readonly string[];
  columns: readonly string[];
  keyOf(delta: Delta): Bindable[];
  read(row: RawRow, delta: Delta): StoredCell;
  write(cell: StoredCell): Bindable[];
}

function prepareStore(client: Database, options: StoreOptions): (delta: Delta) => void {
  const { table, keys, columns } = options;
  const matches = keys.map((name) => `"${name}" = ?`).join(' and ');
  const stored = client
    .prepare<Bindable[], RawRow>(`select ${columns.join(', ')} from ${table} where ${matches}`)
    .raw();
  const all = [...keys, ...columns];
  const upsert = client.prepare<Bindable[]>(
    `insert into ${table} (${all.map((name) => `"${name}"`).join(', ')}) values (${all.map(() => '?').join(', ')})
     on conflict do update set ${columns.map((name) => `"${name}" = excluded."${name}"`).join(', ')}`,
  );

  return (delta) => {
    const key = options.keyOf(delta);
    const before = stored.get(...key);
    const cell = before ? sumOf(options.read(before, delta), delta.cell) : delta.cell;
    upsert.run(...key, ...options.write(storedCell(cell)));
  };
}

function sumOf(stored: StoredCell, added: Cell): Cell {
  const sum = createCell();
  addStored(sum, stored);
  addCell(sum, added);
  return sum;
}

/** Streaming is a number in the database. */
export function asStored(name: string, value: string): string | number {
  return name === 'streaming' ? Number(value) : value;
}

function text(value: RawRow[number] | undefined): string {
  return typeof value === 'string' ? value : '{}';
}

function bytes(value: RawRow[number] | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}
