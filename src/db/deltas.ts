import { addAttempt, addCell, addExchange, type Cell, createCell } from './cell.js';
import type { AttemptRow, ExchangeRow } from './rows.js';
import { floorTo, MINUTE_MS } from './spans.js';
import { keyOf, type Names, VIEW_DIMENSIONS } from './views.js';

/** The rows of one exchange. */
export interface StoredRows {
  exchange: ExchangeRow;
  attempts: AttemptRow[];
}

/** What a batch adds to one rollup. */
export interface Delta {
  /** Start of the span, epoch milliseconds. */
  at: number;
  names: Names;
  cell: Cell;
}

type Deltas = Map<string, Delta>;

/** The sums of a batch, by minute: hundreds of rows touch a handful of rollups. */
export function minuteDeltas(batch: readonly StoredRows[]): Delta[] {
  const deltas: Deltas = new Map();
  for (const { exchange, attempts } of batch) {
    const at = floorTo(MINUTE_MS, exchange.startedAt ?? 0);
    const names = namesOf(exchange);
    addExchange(cellOf(deltas, at, names), exchange);
    for (const attempt of attempts) {
      const { provider, model } = attempt;
      addAttempt(cellOf(deltas, at, { ...names, provider: provider ?? '', model: model ?? '' }), attempt);
    }
  }
  return [...deltas.values()];
}

/** The same sums over longer spans. */
export function longer(deltas: readonly Delta[], step: number): Delta[] {
  return regrouped(deltas, ({ at, names }) => ({ at: floorTo(step, at), names }));
}

/** The same sums over all dimensions that a view leaves out. */
export function fewer(deltas: readonly Delta[], kept: readonly string[]): Delta[] {
  return regrouped(deltas, ({ at, names }) => {
    const some: Names = { ...names, outcome: '', streaming: '' };
    for (const name of VIEW_DIMENSIONS) if (!kept.includes(name)) some[name] = '';
    return { at, names: some };
  });
}

function regrouped(deltas: readonly Delta[], place: (delta: Delta) => { at: number; names: Names }): Delta[] {
  const sums: Deltas = new Map();
  for (const delta of deltas) {
    const { at, names } = place(delta);
    addCell(cellOf(sums, at, names), delta.cell);
  }
  return [...sums.values()];
}

function cellOf(deltas: Deltas, at: number, names: Names): Cell {
  const key = keyOf(at, names);
  let delta = deltas.get(key);
  if (!delta) {
    delta = { at, names, cell: createCell() };
    deltas.set(key, delta);
  }
  return delta.cell;
}

function namesOf(row: ExchangeRow): Names {
  return {
    route: row.route ?? '',
    provider: row.provider ?? '',
    model: row.model ?? '',
    key: row.key ?? '',
    outcome: row.outcome ?? 'failed',
    streaming: row.streaming ? '1' : '0',
  };
}
