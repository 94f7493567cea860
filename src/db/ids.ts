/** A half-open range of exchange ids. */
export interface IdRange {
  from: string;
  to: string;
}

/** Ids start with their time, but clocks are set back and arrivals are back-dated: look this far around. */
export const CLOCK_SLACK_MS = 60_000;

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
export function idFloor(instant: number): string {
  const hex = Math.max(0, Math.floor(instant)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}

/** The instant of an id, or of the end of a range of ids. Epoch milliseconds. */
export function instantOf(id: string): number {
  if (id === LAST_ID) return Number.MAX_SAFE_INTEGER;
  return id === '' ? 0 : Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The text that sorts after this id and before every later one. */
export function idAfter(id: string): string {
  return `${id}~`;
}
