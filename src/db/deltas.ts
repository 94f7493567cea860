import { addAttempt, addExchange, type Cell, createCell } from './cell.js';
import type { CountedExchange, CountedRows } from './counted.js';
import { createPlaces } from './places.js';
import { floorTo, MINUTE_MS } from './spans.js';
import { DIMENSIONS, type Names } from './views.js';

/** What is added to one rollup. */
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
  let deltas: Delta[] = [];
  const places = createPlaces(DIMENSIONS, (at, names) => {
    const delta = { at, names, cell: createCell() };
    deltas.push(delta);
    return delta;
  });

  return {
    add({ exchange, attempts }) {
      const at = floorTo(MINUTE_MS, exchange.startedAt ?? 0);
      const names = namesOf(exchange);
      const { cell } = places.of(at, names);
      addExchange(cell, exchange);
      for (const attempt of attempts) {
        const { provider, model } = attempt;
        if (provider === exchange.provider && model === exchange.model) addAttempt(cell, attempt);
        else {
          const there = places.of(at, { ...names, provider: provider ?? '', model: model ?? '' });
          addAttempt(there.cell, attempt);
        }
      }
    },
    take() {
      const taken = deltas;
      deltas = [];
      places.clear();
      return taken;
    },
  };
}

/** The sums of some rows, by minute. */
export function minuteDeltas(rows: Iterable<CountedRows>): Delta[] {
  const tally = createTally();
  for (const each of rows) tally.add(each);
  return tally.take();
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
