import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { createBoard } from './board.js';
import type { Totals, TotalsQuery, Window } from './reports.js';
import { prepareExtent, readRollups, type Source } from './sources.js';
import { ceilTo, floorTo, HOUR_MS, MINUTE_MS } from './spans.js';
import { DIMENSIONS, viewFor } from './views.js';

/** What is read at once, before other work of the thread has its turn: some thousand rows of a summary, */
const SUMMARY_SPANS = 1000;
/** and of the rollups, of which one hour may have thousands, a few hours. */
const ROLLUP_SPANS = 12;

/**
 * Sums over a window, whole hours by the hour and the rest by the minute. They do not depend on rows, which retention
 * and deletions remove.
 */
export function prepareTotals(client: Database): (query: TotalsQuery) => Promise<Totals> {
  return async (query) => {
    const { window, groupBy, filter = {}, step } = query;
    const board = createBoard(query);
    const filtered = DIMENSIONS.filter((name) => filter[name] !== undefined);
    const view = viewFor([...groupBy, ...filtered]);

    for (const part of partsOf(window, step)) {
      const source: Source = { step: part.step, view };
      const read = readRollups(client, source, filter);
      for (const chunk of chunksOf(client, source, part)) {
        read(chunk, board.add);
        await nextTurn();
      }
    }
    return board.finish();
  };
}

/** A window whose sums are stored by spans of `step` milliseconds. */
interface Part extends Window {
  step: number;
}

/** What of a window is read by the hour, and what by the minute. A series of minutes needs all of it by the minute. */
export function partsOf(window: Window, step = HOUR_MS): Part[] {
  const hours = {
    since: ceilTo(HOUR_MS, window.since),
    until: floorTo(HOUR_MS, window.until),
    step: HOUR_MS,
  };
  if (step < HOUR_MS || hours.since >= hours.until) return [{ ...window, step: MINUTE_MS }];
  const parts = [
    { since: window.since, until: hours.since, step: MINUTE_MS },
    hours,
    { since: hours.until, until: window.until, step: MINUTE_MS },
  ];
  return parts.filter(({ since, until }) => since < until);
}

/** The parts of a window in which there is something, in pieces. */
function* chunksOf(client: Database, source: Source, window: Window): IterableIterator<Window> {
  const extent = prepareExtent(client, source)();
  if (extent === null) return;
  const length = source.step * (source.view === null ? ROLLUP_SPANS : SUMMARY_SPANS);
  const until = Math.min(window.until, extent.last + source.step);
  for (let since = Math.max(window.since, extent.first); since < until; since += length) {
    yield { since, until: Math.min(since + length, until) };
  }
}
