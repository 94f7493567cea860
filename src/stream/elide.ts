const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** How deep what an event tells lies: `choices[0].finish_reason`. */
const DEPTH = 3;

/** An object or array that reaches across the gap. */
interface Open {
  bracket: number;
  /** In the head: where the last whole member ends. In the tail: where the first whole one begins, at its comma. */
  joint: number;
}

/**
 * The JSON value of which only the beginning and the end are known, without the members that lie in between:
 * `{"type":"a","image":"xxxx` and `xxxx","usage":{"b":1}}` give `{type: "a", usage: {b: 1}}`. `undefined` when the
 * two do not fit together. With an empty `tail` the head is the whole value.
 *
 * The two are joined at most three levels deep. Below the top it is taken for granted that the object or array that
 * is open at the end of the head is the one that is open at the beginning of the tail, which holds when one member
 * makes up the size: an image, an answer's output.
 *
 * Cost: 0.2 ms for the 80 KiB that are kept of an event above 1 MiB.
 */
export function elide(head: Buffer, tail: Buffer): unknown {
  if (tail.length === 0) return parse(head.toString('utf8'));
  const before = openAtEnd(head);
  const after = openAtStart(tail);
  let left: Open | undefined;
  let right: Open | undefined;
  for (let level = 0; level < DEPTH; level++) {
    const one = before[level];
    const other = after[level];
    if (one === undefined || other === undefined || one.bracket !== other.bracket) break;
    left = one;
    right = other;
  }
  if (left === undefined || right === undefined) return undefined;
  const isFirst = head[left.joint - 1] === left.bracket;
  const from = isFirst && tail[right.joint] === COMMA ? right.joint + 1 : right.joint;
  return parse(head.toString('utf8', 0, left.joint) + tail.toString('utf8', from));
}

/** What is still open at the end of a JSON text, outermost first. */
function openAtEnd(head: Buffer): Open[] {
  const open: Open[] = [];
  for (let at = 0; at < head.length; at++) {
    const byte = head[at];
    if (byte === QUOTE) at = stringEnd(head, at);
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) open.push({ bracket: byte, joint: at + 1 });
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) open.pop();
    else if (byte === COMMA) {
      const last = open.at(-1);
      if (last) last.joint = at;
    }
  }
  return open;
}

/** What is already open where the end of a JSON text begins, outermost first; read backwards, from known ground. */
function openAtStart(tail: Buffer): Open[] {
  const open: Open[] = [];
  for (let at = tail.length - 1; at >= 0; at--) {
    const byte = tail[at];
    if (byte === QUOTE) at = stringStart(tail, at);
    else if (byte === CLOSE_OBJECT) open.push({ bracket: OPEN_OBJECT, joint: at });
    else if (byte === CLOSE_ARRAY) open.push({ bracket: OPEN_ARRAY, joint: at });
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) open.pop();
    else if (byte === COMMA) {
      const last = open.at(-1);
      if (last) last.joint = at;
    }
  }
  return open;
}

/** The closing quote of the string that opens at `start`, or the buffer's length. */
function stringEnd(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at++;
    else if (bytes[at] === QUOTE) return at;
  }
  return bytes.length;
}

/** The opening quote of the string that closes at `end`, or -1: before it there is an even number of backslashes. */
function stringStart(bytes: Buffer, end: number): number {
  for (let at = end - 1; at >= 0; at--) {
    if (bytes[at] !== QUOTE) continue;
    let escapes = at;
    while (escapes > 0 && bytes[escapes - 1] === BACKSLASH) escapes--;
    if ((at - escapes) % 2 === 0) return at;
    at = escapes;
  }
  return -1;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
