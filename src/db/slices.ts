import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';

/** A half-open range of exchange ids. */
export interface IdRange {
  from: string;
  to: string;
}

/** About 5 ms of work over wide rows; more would hold up the streams that share the event loop. */
const SLICE_ROWS = 2000;

/** Ids start with their time, but clocks are set back and arrivals are back-dated: look this far around. */
const CLOCK_SLACK_MS = 60_000;

/** No UUID sorts after it. */
const LAST_ID = 'g';

/**
 * The ids that exchanges which started in `[since, until)` can have, epoch milliseconds.
 * The range is a little wide: filter by `started_at` too.
 */
export function idRange(since: number | undefined, until: number | undefined): IdRange {
  return {
    from: since === undefined ? '' : idFloor(since - CLOCK_SLACK_MS),
    to: until === undefined ? LAST_ID : idFloor(until + CLOCK_SLACK_MS),
  };
}

/** The text that sorts before every UUIDv7 of an instant and after all earlier ones. */
function idFloor(instant: number): string {
  const hex = Math.max(0, Math.floor(instant)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}

/** Cuts a range of ids into pieces of a bounded number of rows, newest first, and gives way between them. */
export function prepareSlices(client: Database): (range: IdRange) => AsyncGenerator<IdRange> {
  const lowest = client
    .prepare<[string, string], [string | null, number]>(
      `select min(id), count(*) from (
         select id from exchanges where id >= ? and id < ? order by id desc limit ${SLICE_ROWS})`,
    )
    .raw();

  return async function* slices({ from, to }) {
    let end = to;
    for (;;) {
      const [start, rows] = lowest.get(from, end) ?? [null, 0];
      if (start === null) return;
      yield { from: start, to: end };
      if (rows < SLICE_ROWS) return;
      end = start;
      await nextTurn();
    }
  };
}
