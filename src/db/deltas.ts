import { addAttempt, addCell, addExchange, type Cell, createCell } from './cell.js';
import type { CountedExchange, CountedRows } from './counted.js';
import { floorTo, MINUTE_MS } from './spans.js';
import { DIMENSIONS, type Names, VIEW_DIMENSIONS } from './views.js';

/** What a batch adds to one rollup. */
export interface Delta {
  /** Start of the span, epoch milliseconds. */
  at: number;
  names: Names;
  cell: Cell;
}

/** Sums that grow, by minute: hundreds of rows touch a handful of rollups. */
export interface Tally {
  add(rows: CountedRows): void;
  /** What came together since it was taken last. */
  take(): Delta[];
}

/** A tally of nothing. */
export function createTally(): Tally {
  let deltas = createDeltas();
  return {
    add({ exchange, attempts }) {
      const at = floorTo(MINUTE_MS, exchange.startedAt ?? 0);
      const names = namesOf(exchange);
      const cell = deltas.cellOf(at, names);
      addExchange(cell, exchange);
      for (const attempt of attempts) {
        const { provider, model } = attempt;
        const isThere = provider === exchange.provider && model === exchange.model;
        const elsewhere = () => ({ ...names, provider: provider ?? '', model: model ?? '' });
        addAttempt(isThere ? cell : deltas.cellOf(at, elsewhere()), attempt);
      }
    },
    take() {
      const { all } = deltas;
      deltas = createDeltas();
      return all;
    },
  };
}

/** The sums of some rows, by minute. */
export function minuteDeltas(rows: Iterable<CountedRows>): Delta[] {
  const tally = createTally();
  for (const each of rows) tally.add(each);
  return tally.take();
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
  const sums = createDeltas();
  for (const delta of deltas) {
    const { at, names } = place(delta);
    addCell(sums.cellOf(at, names), delta.cell);
  }
  return sums.all;
}

/** The way to a delta leads over its time and one name after the other. */
interface Step {
  next: Map<string | number, Step>;
  delta: Delta | null;
}

/** Deltas that are found by time and names. A text of all of them, for each row, would take ten times as long. */
function createDeltas() {
  const root: Step = { next: new Map(), delta: null };
  const all: Delta[] = [];

  function follow({ next }: Step, name: string | number): Step {
    let step = next.get(name);
    if (step === undefined) {
      step = { next: new Map(), delta: null };
      next.set(name, step);
    }
    return step;
  }

  return {
    all,
    cellOf(at: number, names: Names): Cell {
      let step = follow(root, at);
      for (const dimension of DIMENSIONS) step = follow(step, names[dimension]);
      if (step.delta === null) {
        step.delta = { at, names, cell: createCell() };
        all.push(step.delta);
      }
      return step.delta.cell;
    },
  };
}

function namesOf(row: CountedExchange): Names {
  return {
    route: row.route ?? '',
    provider: row.provider ?? '',
    model: row.model ?? '',
    key: row.key ?? '',
    outcome: row.outcome ?? 'failed',
    streaming: row.streaming ? '1' : '0',
  };
}
