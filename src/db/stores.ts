import type { Database } from 'better-sqlite3';
import { addCell, addStored, type Cell, createCell, type StoredCell, storedCell } from './cell.js';
import type { Delta } from './deltas.js';
import { countEncoded } from './histogram.js';
import { packFigures, unpackFigures } from './packed.js';
import { createPlaces } from './places.js';
import type { Bindable } from './rows.js';
import { minuteRollups, rollups } from './schema.js';
import { floorTo, HOUR_MS, MINUTE_MS } from './spans.js';
import { addFigure, FIGURES, type Figure, type Figures, figure, noFigures, OUTCOMES } from './sums.js';
import { DIMENSIONS, type Dimension, type Names, VIEW_DIMENSIONS, type VIEWS } from './views.js';

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

/** Sums of one kind in the database, and what is to be added to them. Used inside transactions that may write only. */
export interface Store {
  /** Adds to the sum of the span that a delta is in. */
  add(delta: Delta): void;
  /** Writes the sums that have changed. */
  save(): void;
  /** Sums are kept to be added to. What is kept is not, or no longer, what is in the database. */
  forget(): void;
}

/** Prepares a table of rollups. */
export function prepareRollupStore(client: Database, step: number): Store {
  const { table, at } = ROLLUPS.get(step) ?? { table: '', at: '' };
  return prepareStore(client, {
    step,
    table,
    kept: DIMENSIONS,
    keys: [at, ...DIMENSIONS],
    columns: ROLLUP_COLUMNS,
    keyOf: (start, names) => [start, ...DIMENSIONS.map((name) => asStored(name, names[name]))],
    read: (row, { outcome }) => rollupCell(row, 0, outcome),
    write: ({ figures, counts, total, firstContent }) => [
      ...COLUMN_FIGURES.map((name) => figure(figures, name)),
      counts,
      Buffer.from(total.buffer, total.byteOffset, total.length),
      Buffer.from(firstContent.buffer, firstContent.byteOffset, firstContent.length),
    ],
  });
}

/** Prepares a view of the summaries, whose sums are over all dimensions that it does not keep. */
export function prepareSummaryStore(
  client: Database,
  step: number,
  [view, kept]: (typeof VIEWS)[number],
): Store {
  const names = VIEW_DIMENSIONS.map((name) => ({ name, isKept: kept.includes(name) }));
  return prepareStore(client, {
    step,
    table: 'summaries',
    kept,
    keys: ['step', 'view', 'at', ...VIEW_DIMENSIONS],
    columns: SUMMARY_COLUMNS,
    keyOf: (at, all) => [step, view, at, ...names.map(({ name, isKept }) => (isKept ? all[name] : ''))],
    read: (row) => summaryCell(row, 0),
    write: (cell) => [cell.counts, packFigures(cell)],
  });
}

interface StoreOptions {
  step: number;
  table: string;
  /** The dimensions that sums are by. */
  kept: readonly Dimension[];
  keys: readonly string[];
  columns: readonly string[];
  keyOf(at: number, names: Names): Bindable[];
  read(row: RawRow, names: Names): StoredCell;
  write(cell: StoredCell): Bindable[];
}

interface Sum {
  key: Bindable[];
  cell: Cell;
  hasChanged: boolean;
}

/** A few kilobytes each. Of most, the time has passed. */
const MAX_KEPT = 256;

function prepareStore(client: Database, options: StoreOptions): Store {
  const { step, table, kept, keys, columns } = options;
  const matches = keys.map((name) => `"${name}" = ?`).join(' and ');
  const stored = client
    .prepare<Bindable[], RawRow>(`select ${columns.join(', ')} from ${table} where ${matches}`)
    .raw();
  const all = [...keys, ...columns];
  const upsert = client.prepare<Bindable[]>(
    `insert into ${table} (${all.map((name) => `"${name}"`).join(', ')}) values (${all.map(() => '?').join(', ')})
     on conflict do update set ${columns.map((name) => `"${name}" = excluded."${name}"`).join(', ')}`,
  );
  const sums = createPlaces(kept, (at, names): Sum => {
    const key = options.keyOf(at, names);
    const before = stored.get(...key);
    const cell = createCell();
    if (before) addStored(cell, options.read(before, names));
    return { key, cell, hasChanged: false };
  });
  let changed: Sum[] = [];

  return {
    add({ at, names, cell }) {
      const sum = sums.of(floorTo(step, at), names);
      addCell(sum.cell, cell);
      if (sum.hasChanged) return;
      sum.hasChanged = true;
      changed.push(sum);
    },
    save() {
      for (const sum of changed) {
        upsert.run(...sum.key, ...options.write(storedCell(sum.cell)));
        sum.hasChanged = false;
      }
      changed = [];
      if (sums.size > MAX_KEPT) sums.clear();
    },
    forget() {
      changed = [];
      sums.clear();
    },
  };
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
