/** What is to become of a value that begins: `into` looks at what is in it, `take` reports where it ends. */
export type Verdict = 'into' | 'take';

export interface JsonVisitor {
  /**
   * A member or element begins. `depth` is 1 for those of the outermost container, `first` the code of the value's
   * first character.
   */
  enter(name: string | number, depth: number, first: number): Verdict;
  /** A value that was to be taken stands from `start` to `end`. */
  take(start: number, end: number): void;
}

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const BACKSLASH = 92;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
/** Stands for the index of a container that has none: an object. */
const NAMED = -1;

export const isString = (first: number) => first === QUOTE;
export const isObject = (first: number) => first === OPEN_OBJECT;
export const isArray = (first: number) => first === OPEN_ARRAY;
/** A digit or a minus sign. */
export const isNumber = (first: number) => first === 45 || (first >= 48 && first <= 57);

/**
 * Walks through JSON without building anything, so that offsets stay those of the bytes. `text` has one character per
 * byte (latin1). A text that is cut off is walked to its end, and a value that was to be taken ends there too; where
 * it is no JSON the walk stops. It never throws.
 */
export function scanJson(text: string, visitor: JsonVisitor): void {
  /** For each open container: the next index of an array, or `NAMED`. */
  const open: number[] = [];
  let at = skipSpace(text, 0);
  if (!descend(text.charCodeAt(at))) return;
  while (open.length > 0 && at < text.length) {
    at = skipSpace(text, at);
    const code = text.charCodeAt(at);
    if (code === COMMA) {
      at += 1;
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      open.pop();
      at += 1;
    } else if (!element(code)) return;
  }

  /** One member or element; false where there is none. */
  function element(code: number): boolean {
    const depth = open.length;
    let name: string | number = open[depth - 1] ?? NAMED;
    if (name === NAMED) {
      if (code !== QUOTE) return false;
      const end = skipString(text, at);
      name = keyOf(text, at, end);
      at = skipSpace(text, end);
      if (text.charCodeAt(at) !== COLON) return false;
      at = skipSpace(text, at + 1);
    } else {
      open[depth - 1] = name + 1;
    }
    if (at >= text.length) return false;
    const first = text.charCodeAt(at);
    const verdict = visitor.enter(name, depth, first);
    if (verdict === 'into' && descend(first)) return true;
    const start = at;
    at = skipValue(text, start);
    if (verdict === 'take') visitor.take(start, at);
    return at > start;
  }

  function descend(first: number): boolean {
    if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) return false;
    open.push(first === OPEN_OBJECT ? NAMED : 0);
    at += 1;
    return true;
  }
}

function keyOf(text: string, start: number, end: number): string {
  const key = text.slice(start + 1, end - 1);
  if (!/[\\\x80-\xff]/.test(key)) return key;
  try {
    return String(JSON.parse(Buffer.from(text.slice(start, end), 'latin1').toString('utf8')));
  } catch {
    return key;
  }
}

function skipSpace(text: string, start: number): number {
  let at = start;
  for (let code = text.charCodeAt(at); isSpace(code); code = text.charCodeAt(at)) at += 1;
  return at;
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}

/** The offset behind the value that begins at `start`; the end of the text when it does not end. */
function skipValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return skipString(text, start);
  if (first === OPEN_OBJECT || first === OPEN_ARRAY) return skipNested(text, start);
  let at = start;
  while (at < text.length && !endsScalar(text.charCodeAt(at))) at += 1;
  return at;
}

function endsScalar(code: number): boolean {
  return code === COMMA || code === CLOSE_OBJECT || code === CLOSE_ARRAY || isSpace(code);
}

function skipNested(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = skipString(text, at);
      continue;
    }
    at += 1;
    if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth += 1;
    else if ((code === CLOSE_OBJECT || code === CLOSE_ARRAY) && --depth === 0) return at;
  }
  return text.length;
}

function skipString(text: string, start: number): number {
  for (let from = start + 1; ; ) {
    const quote = text.indexOf('"', from);
    if (quote === -1) return text.length;
    if (!isEscaped(text, quote, start)) return quote + 1;
    from = quote + 1;
  }
}

/** Whether an odd number of backslashes precedes `quote` in the string that opens at `start`. */
function isEscaped(text: string, quote: number, start: number): boolean {
  let at = quote;
  while (at > start + 1 && text.charCodeAt(at - 1) === BACKSLASH) at -= 1;
  return (quote - at) % 2 === 1;
}
