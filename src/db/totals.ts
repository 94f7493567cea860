import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { type Board, createBoard } from './board.js';
import { createDayCache, prepareRevisions } from './day-cache.js';
import type { Totals, TotalsQuery, Window } from './reports.js';
import { prepareExtent, readRollups, type Source } from './sources.js';
import { ceilTo, DAY_MS, floorTo, HOUR_MS, MINUTE_MS } from './spans.js';
import { DIMENSIONS, viewFor } from './views.js';

/** What is read at once, before other work of the thread has its turn: some thousand rows of a summary, */
const SUMMARY_SPANS = 500;
/** and of the rollups, of which one hour may have thousands, a few hours. */
const ROLLUP_SPANS = 12;

/**
 * Sums over a window, by the day, the hour and the minute. They do not depend on rows, which retention and deletions
 * remove.
 */
export function prepareTotals(client: Database): (query: TotalsQuery) => Promise<Totals> {
  const cache = createDayCache();
  const revisionsOf = prepareRevisions(client);

  /** Puts together the whole days of a window that is read by shorter spans. */
  async function addDays(board: Board, days: Window, source: Source, query: TotalsQuery): Promise<void> {
    const { groupBy, filter = {}, step } = query;
    const question = JSON.stringify([groupBy, filter, step, source]);
    for (const [day, revision] of revisionsOf(days)) {
      let parts = cache.get(question, day, revision);
      if (parts === null) {
        const window = { since: day, until: day + DAY_MS };
        const ofDay = createBoard({ ...query, window });
        await addEntries(ofDay, window, source, query);
        parts = ofDay.parts();
        // Today changes all the time.
        if (window.until <= Date.now()) cache.set(question, day, revision, parts);
      }
      board.paste(day, parts);
    }
  }

  async function addEntries(board: Board, window: Window, source: Source, query: TotalsQuery): Promise<void> {
    const read = readRollups(client, source, query.filter ?? {});
    for (const chunk of chunksOf(client, source, window)) {
      read(chunk, board.add);
      await nextTurn();
    }
  }

  return async (query) => {
    const { window, groupBy, filter = {}, step } = query;
    const board = createBoard(query);
    const filtered = DIMENSIONS.filter((name) => filter[name] !== undefined);
    const view = viewFor([...groupBy, ...filtered]);
    for (const part of partsOf(window, step, view === null ? HOUR_MS : DAY_MS)) {
      const source: Source = { step: part.step, view };
      const isDays = part.step === HOUR_MS && part.since % DAY_MS === 0 && part.until % DAY_MS === 0;
      await (isDays ? addDays : addEntries)(board, part, source, query);
    }
    return board.finish();
  };
}

/** A window whose sums are read by spans of `step` milliseconds. */
interface SpannedWindow extends Window {
  step: number;
}

/**
 * What of a window is read by which spans, in the order of time: whole days by the day or by their hours, and what is
 * left by the hour and by the minute. The points of a time series are never shorter than the spans of their sums.
 */
export function partsOf(window: Window, step = DAY_MS, longest = DAY_MS): SpannedWindow[] {
  if (step < HOUR_MS) return [{ ...window, step: MINUTE_MS }];
  return split(window, DAY_MS, step < DAY_MS ? HOUR_MS : longest, (day) =>
    split(day, HOUR_MS, HOUR_MS, (rest) => [{ ...rest, step: MINUTE_MS }]),
  );
}

/** The whole spans of `length` inside a window, read by spans of `step`, and what `rest` makes of what is around them. */
function split(
  window: Window,
  length: number,
  step: number,
  rest: (window: Window) => SpannedWindow[],
): SpannedWindow[] {
  const since = ceilTo(length, window.since);
  const until = floorTo(length, window.until);
  if (since >= until) return rest(window);
  return [
    ...(window.since < since ? rest({ since: window.since, until: since }) : []),
    { since, until, step },
    ...(until < window.until ? rest({ since: until, until: window.until }) : []),
  ];
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
