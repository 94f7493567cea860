import type { Database } from 'better-sqlite3';
import type { StoredCell } from './cell.js';
import type { Window } from './reports.js';
import type { View } from './schema.js';
import {
  asStored,
  type RawRow,
  ROLLUP_COLUMNS,
  ROLLUPS,
  rollupCell,
  SUMMARY_COLUMNS,
  summaryCell,
} from './stores.js';
import { DIMENSIONS, type Dimension, type Names, VIEWS } from './views.js';

/** Which sums to read. */
export interface Source {
  /** Length of the spans, milliseconds: a minute, an hour, or a day, which only summaries have. */
  step: number;
  /** A summary, or null for the rollups themselves. */
  view: View | null;
}

/** One stored sum; dimensions that the source leaves out are empty. */
export interface Entry {
  /** Start of the span, epoch milliseconds. */
  at: number;
  names: Names;
  stored: StoredCell;
}

/** A value for each dimension that must have it. */
export type Filter = Partial<Names>;

/**
 * Prepares the reading of a source: the sums whose span starts in a window, in the order of time. A callback, because
 * a generator takes half as long again for thousands of rows.
 */
export function readRollups(
  client: Database,
  source: Source,
  filter: Filter,
): (window: Window, each: (entry: Entry) => void) => void {
  const { table, at, conditions, dimensions, columns, parameters } = partsOf(source);
  const filtered = DIMENSIONS.filter((name) => filter[name] !== undefined);
  const where = [...conditions, `${at} >= ?`, `${at} < ?`, ...filtered.map((name) => `"${name}" = ?`)];
  const statement = client
    .prepare<unknown[], RawRow>(
      `select ${[at, ...dimensions, ...columns].map((name) => `"${name}"`).join(', ')}
       from ${table} where ${where.join(' and ')} order by ${at}`,
    )
    .raw();
  const values = filtered.map((name) => asStored(name, filter[name] ?? ''));
  const first = 1 + dimensions.length;
  const namesOf = nameReader(dimensions);

  return ({ since, until }, each) => {
    for (const row of statement.iterate(...parameters, since, until, ...values)) {
      const names = namesOf(row);
      const stored = source.view === null ? rollupCell(row, first, names.outcome) : summaryCell(row, first);
      each({ at: Number(row[0]), names, stored });
    }
  };
}

/** Names are put together in one go, because objects that grow by a variable key are slow. */
function nameReader(dimensions: readonly Dimension[]): (row: RawRow) => Names {
  const at = (name: Dimension) => dimensions.indexOf(name) + 1;
  const [route, provider, model] = [at('route'), at('provider'), at('model')];
  const [key, outcome, streaming] = [at('key'), at('outcome'), at('streaming')];
  const read = (row: RawRow, position: number) => (position === 0 ? '' : String(row[position]));
  return (row) => ({
    route: read(row, route),
    provider: read(row, provider),
    model: read(row, model),
    key: read(row, key),
    outcome: read(row, outcome),
    streaming: read(row, streaming),
  });
}

interface Parts {
  table: string;
  at: string;
  conditions: string[];
  parameters: (string | number)[];
  dimensions: readonly Dimension[];
  columns: string[];
}

function partsOf({ step, view }: Source): Parts {
  if (view === null) {
    const { table, at } = ROLLUPS.get(step) ?? { table: '', at: '' };
    return { table, at, conditions: [], parameters: [], dimensions: DIMENSIONS, columns: ROLLUP_COLUMNS };
  }
  return {
    table: 'summaries',
    at: 'at',
    conditions: ['step = ?', 'view = ?'],
    parameters: [step, view],
    dimensions: VIEWS.find(([name]) => name === view)?.[1] ?? [],
    columns: SUMMARY_COLUMNS,
  };
}

/** Prepares the extent of a source in time: the first and the last span, null when it is empty. */
export function prepareExtent(
  client: Database,
  source: Source,
): () => { first: number; last: number } | null {
  const { table, at, conditions, parameters } = partsOf(source);
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
  const statement = client
    .prepare<unknown[], [number | null, number | null]>(
      `select (select min(${at}) from ${table} ${where}), (select max(${at}) from ${table} ${where})`,
    )
    .raw();
  return () => {
    const [first, last] = statement.get(...parameters, ...parameters) ?? [null, null];
    return first === null || last === null ? null : { first, last };
  };
}
