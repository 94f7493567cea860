import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { type AttemptPart, prepareAttemptRollupSums, prepareAttemptRowSums } from './attempt-sums.js';
import { type Part, prepareRollupSums, prepareRowSums, registerHistograms } from './partials.js';
import type { Dimension, Group, Totals, TotalsQuery, Window } from './reports.js';
import { hourOf, nextHour } from './rollups.js';
import { idRange, prepareSlices } from './slices.js';
import { createTally, type Tally } from './tally.js';

/** Rollups of this span are read at once, then other work has its turn. */
const STEP_MS = 7 * 86_400_000;
const NO_HOURS: Window = { since: 0, until: 0 };

/** Sums over a window, exact: whole hours from the rollups, the edges from the rows. */
export function prepareTotals(client: Database): (query: TotalsQuery) => Promise<Totals> {
  registerHistograms(client);
  const db = drizzle(client);
  const slices = prepareSlices(client);
  const extent = client
    .prepare<[], [number | null, number | null]>(
      'select (select min(hour) from rollups), (select max(hour) from rollups)',
    )
    .raw();

  return async ({ window, groupBy, key }) => {
    const result = createResult(groupBy);
    // The rollups of attempts know no key.
    const { hours, edges } = key === undefined ? cut(window) : { hours: NO_HOURS, edges: [window] };

    const ofRows = prepareRowSums(db, groupBy, key);
    const ofAttempts = prepareAttemptRowSums(db, groupBy, key);
    for (const edge of edges) {
      for await (const range of slices(idRange(edge.since, edge.until))) {
        ofRows.all({ ...range, ...edge }).forEach(result.add);
        ofAttempts.all({ ...range, ...edge }).forEach(result.addAttempts);
      }
    }

    const ofRollups = prepareRollupSums(db, groupBy);
    const ofAttemptRollups = prepareAttemptRollupSums(db, groupBy);
    const [first, last] = extent.get() ?? [null, null];
    const until = Math.min(hours.until, (last ?? -1) + 1);
    for (let since = Math.max(hours.since, first ?? 0); since < until; since += STEP_MS) {
      const step = { since, until: Math.min(since + STEP_MS, until) };
      ofRollups.all(step).forEach(result.add);
      ofAttemptRollups.all(step).forEach(result.addAttempts);
      await nextTurn();
    }
    return result.finish();
  };
}

/** Whole hours inside a window, and what is left of it at either end. */
export function cut(window: Window): { hours: Window; edges: Window[] } {
  const hours = { since: nextHour(window.since), until: hourOf(window.until) };
  if (hours.since >= hours.until) return { hours: NO_HOURS, edges: [window] };
  const edges = [
    { since: window.since, until: hours.since },
    { since: hours.until, until: window.until },
  ];
  return { hours, edges: edges.filter(({ since, until }) => since < until) };
}

type Names = Record<Dimension, string>;

function createResult(groupBy: Dimension[]) {
  const totals = createTally();
  const groups = new Map<string, { keys: Pick<Group, Dimension>; tally: Tally }>();

  const talliesOf = (part: Names): Tally[] => {
    if (groupBy.length === 0) return [totals];
    const name = JSON.stringify(groupBy.map((dimension) => part[dimension]));
    let group = groups.get(name);
    if (!group) {
      group = { keys: keysOf(part, groupBy), tally: createTally() };
      groups.set(name, group);
    }
    return [totals, group.tally];
  };

  return {
    add(part: Part) {
      for (const tally of talliesOf(part)) tally.add(part);
    },
    addAttempts(part: AttemptPart) {
      for (const tally of talliesOf(part)) tally.addAttempts(part);
    },
    finish(): Totals {
      const data = [...groups.values()].map(({ keys, tally }) => ({ ...keys, ...tally.counters() }));
      data.sort((left, right) => right.exchanges - left.exchanges || right.attempts - left.attempts);
      return { totals: totals.counters(), data };
    },
  };
}

function keysOf(part: Names, groupBy: Dimension[]): Pick<Group, Dimension> {
  return Object.fromEntries(groupBy.map((dimension) => [dimension, part[dimension] || null]));
}
