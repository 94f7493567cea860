const KEY = '"usage":';
const NULL = 'null';
const COMMA = 44;
const SPACE = 32;

/**
 * The same events without `"usage":null`, which upstreams put into every chunk when they are asked for the usage, and
 * leave out when they are not. A quote inside a JSON string is escaped, so the key cannot be text.
 *
 * @returns the same Buffer when there is nothing to take out
 */
export function withoutNullUsage(events: Buffer): Buffer {
  let at = events.indexOf(KEY);
  if (at === -1) return events;
  const pieces: Buffer[] = [];
  let from = 0;
  for (; at !== -1; at = events.indexOf(KEY, at + KEY.length)) {
    const range = nullMember(events, at);
    if (range === null) continue;
    pieces.push(events.subarray(from, range.start));
    from = range.end;
  }
  if (from === 0) return events;
  pieces.push(events.subarray(from));
  return Buffer.concat(pieces);
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
