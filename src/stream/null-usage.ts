import { joined, type Ranges } from './ranges.js';

const KEY = '"usage":';
/** Quotes are everywhere, which makes a search that begins with one four times as long. */
const SEARCHED = 'usage":';
const NULL = 'null';
const QUOTE = 34;
const COMMA = 44;
const SPACE = 32;

/** Whether anything may be said of the usage, be it that there is none. */
export function mentionsUsage(event: Buffer): boolean {
  return event.includes(SEARCHED);
}

/**
 * The same events without `"usage":null`, which upstreams put into every chunk when they are asked for the usage, and
 * leave out when they are not. A quote inside a JSON string is escaped, so the key cannot be text.
 *
 * @returns the same Buffer when there is nothing to take out
 */
export function withoutNullUsage(events: Buffer): Buffer {
  const ranges = nullUsages(events);
  return ranges.length === 0 ? events : joined(null, events, 0, events.length, ranges);
}

/** Where the members are that `withoutNullUsage` takes out. */
export function nullUsages(events: Buffer): Ranges {
  const ranges: number[] = [];
  for (let at = events.indexOf(SEARCHED); at !== -1; at = events.indexOf(SEARCHED, at + SEARCHED.length)) {
    const range = events[at - 1] === QUOTE ? nullMember(events, at - 1) : null;
    if (range !== null) ranges.push(range.start, range.end);
  }
  return ranges;
}

/** The member that begins at `key`, with the comma that goes with it; null when its value is something else. */
function nullMember(events: Buffer, key: number): { start: number; end: number } | null {
  const value = skipSpaces(events, key + KEY.length);
  const end = value + NULL.length;
  if (events.toString('latin1', value, end) !== NULL) return null;
  let start = key;
  while (events[start - 1] === SPACE) start--;
  if (events[start - 1] === COMMA) return { start: start - 1, end };
  const next = skipSpaces(events, end);
  return events[next] === COMMA ? { start: key, end: skipSpaces(events, next + 1) } : { start: key, end };
}

function skipSpaces(events: Buffer, from: number): number {
  let at = from;
  while (events[at] === SPACE) at++;
  return at;
}
