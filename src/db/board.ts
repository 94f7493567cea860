import createError from '@fastify/error';
import type { Group, Series } from './answers.js';
import { addCell, addStored, type Cell, createCell, type StoredCell, storedCell } from './cell.js';
import { countersOf } from './counters.js';
import type { Totals, TotalsQuery } from './reports.js';
import { createSeries, type SeriesBuilder } from './series.js';
import type { Entry } from './sources.js';
import { type Dimension, type Names, NO_NAMES } from './views.js';

/** A point is twenty numbers of the answer: this is some seven megabytes of it. */
const MAX_POINTS = 50_000;

/** The code of `TooManyPointsError`, which is all that is left of it on its way between threads. */
export const TOO_MANY_POINTS = 'LLM_GATEWAY_TOO_MANY_POINTS';

/** The time series asked for would be too large. */
export const TooManyPointsError = createError<[]>(
  TOO_MANY_POINTS,
  `interval and group_by give more than ${MAX_POINTS} points: choose a longer interval, a shorter window, or a filter`,
  400,
);

interface Line {
  names: Names;
  sum: Cell;
  series: SeriesBuilder | null;
}

/** What came together for one group. */
export interface Part {
  names: Names;
  sum: StoredCell;
  series: Series | null;
}

/** Adds entries up to the groups and points that were asked for. */
export interface Board {
  /** Throws `TooManyPointsError`. */
  add(entry: Entry): void;
  /** Adds what another board has of a window inside this one, after all that was added before. */
  paste(since: number, parts: readonly Part[]): void;
  /** What there is, for `paste`. */
  parts(): Part[];
  finish(): Totals;
}

/** An empty board. */
export function createBoard({ window, groupBy, step }: TotalsQuery): Board {
  const lines = new Map<string, Line>();
  const length = step === undefined ? 0 : (window.until - window.since) / step;

  const nameOf = (names: Names) => JSON.stringify(groupBy.map((dimension) => names[dimension]));

  function lineOf(names: Names): Line {
    const name = groupBy.length === 1 ? names[groupBy[0] ?? 'model'] : nameOf(names);
    let line = lines.get(name);
    if (!line) {
      if ((lines.size + 1) * length > MAX_POINTS) throw new TooManyPointsError();
      line = { names, sum: createCell(), series: step === undefined ? null : createSeries(length) };
      lines.set(name, line);
    }
    return line;
  }

  return {
    add({ at, names, stored }) {
      const line = lineOf(names);
      addStored(line.sum, stored);
      line.series?.add(Math.floor((at - window.since) / (step ?? 1)), stored);
    },
    paste(since, parts) {
      for (const { names, sum, series } of parts) {
        const line = lineOf(names);
        addStored(line.sum, sum);
        if (series !== null) line.series?.paste((since - window.since) / (step ?? 1), series);
      }
    },
    parts: () =>
      [...lines.values()].map(({ names, sum, series }) => ({
        names,
        sum: storedCell(sum),
        series: series?.finish() ?? null,
      })),
    finish() {
      const times = Array.from({ length }, (_, each) => window.since + each * (step ?? 0));
      const all = createCell();
      for (const { sum } of lines.values()) addCell(all, sum);
      const data =
        groupBy.length === 0
          ? []
          : [...lines.values()].map((line) => ({
              ...namesOf(line.names, groupBy),
              ...countersOf(line.sum),
              ...(line.series !== null && { series: line.series.finish() }),
            }));
      data.sort((left, right) => right.exchanges - left.exchanges || right.attempts - left.attempts);
      const isWhole = step !== undefined && groupBy.length === 0;
      return {
        totals: countersOf(all),
        times: times.map((at) => new Date(at).toISOString()),
        series: isWhole ? (lineOf(NO_NAMES).series?.finish() ?? null) : null,
        data,
      };
    },
  };
}

function namesOf(names: Names, groupBy: readonly Dimension[]): Pick<Group, Dimension> {
  const shown = (name: Dimension) => (name === 'streaming' ? names[name] === '1' : names[name] || null);
  return Object.fromEntries(groupBy.map((name) => [name, shown(name)]));
}
