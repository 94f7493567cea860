const CR = 13;
const LF = 10;
const DASH = 45;
const SPACE = 32;
const TAB = 9;

/**
 * White space between a boundary and the end of its line. RFC 2046 lets transports add some and sets no limit; with one,
 * what has to be kept until the line is decided is bounded.
 */
const MAX_PADDING_BYTES = 256;

/**
 * What follows `--boundary`: `content` when the line goes on and so is none, `more` when the bytes do not tell yet, else
 * the offset behind the line, and whether it closes the form.
 */
export type DelimiterEnd = 'content' | 'more' | 'padded' | { end: number; closes: boolean };

/** Reads the end of a boundary's line from `from`. A closing one may stand at the end of the body without a line break. */
export function delimiterEnd(data: Buffer, from: number, isBodyEnd: boolean): DelimiterEnd {
  const length = data.length;
  const closes = data[from] === DASH && data[from + 1] === DASH;
  if (!closes && data[from] === DASH) return from + 1 < length ? 'content' : 'more';
  let at = closes ? from + 2 : from;
  while (data[at] === SPACE || data[at] === TAB) at++;
  if (at - from > MAX_PADDING_BYTES) return 'padded';
  if (at === length) return closes && isBodyEnd ? { end: at, closes } : 'more';
  if (data[at] !== CR) return 'content';
  if (at + 1 === length) return 'more';
  return data[at + 1] === LF ? { end: at + 2, closes } : 'content';
}

/**
 * The first offset from which the end of `data` may be the beginning of a line that begins with `dashBoundary`, line break
 * included, or the length of `data`.
 */
export function beginningOf(dashBoundary: Buffer, data: Buffer, from: number): number {
  const { length } = data;
  for (let at = Math.max(from, length - dashBoundary.length - 1); at < length; at++) {
    if (!isLineBreak(data[at])) continue;
    const start = data[at] === CR && data[at + 1] === LF ? at + 2 : at + 1;
    if (start >= length || data.compare(dashBoundary, 0, length - start, start) === 0) return at;
  }
  return length;
}

export function isLineBreak(byte: number | undefined): boolean {
  return byte === CR || byte === LF;
}
