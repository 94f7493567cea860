const LF = 10;
const CR = 13;
const SPACE = 32;
const COLON = 58;
const NEWLINE = Buffer.from('\n');
const DATA = Buffer.from('data');
const EVENT = Buffer.from('event');

/** The position of a byte, or the buffer's length. */
export function find(buffer: Buffer, byte: number, from: number): number {
  const at = buffer.indexOf(byte, from);
  return at === -1 ? buffer.length : at;
}

/** The fields of one block of lines: its `data` lines joined by LF, null when it has none, and its last `event`. */
export function readBlock(block: Buffer): { data: Buffer | null; event: string | null } {
  const lines: Buffer[] = [];
  let event: string | null = null;
  let lf = -1;
  let cr = -1;
  for (let start = 0; start < block.length; ) {
    if (lf < start) lf = find(block, LF, start);
    if (cr < start) cr = find(block, CR, start);
    // A CRLF leaves an empty line behind it, which is no field.
    const line = block.subarray(start, Math.min(lf, cr));
    start += line.length + 1;
    const colon = find(line, COLON, 0);
    const name = line.subarray(0, colon);
    const isDataLine = name.equals(DATA);
    if (!isDataLine && !name.equals(EVENT)) continue;
    const value = line.subarray(line[colon + 1] === SPACE ? colon + 2 : colon + 1);
    if (isDataLine) lines.push(value);
    else event = value.length > 0 ? value.toString('utf8') : null;
  }
  return { data: joinLines(lines), event };
}

function joinLines(lines: Buffer[]): Buffer | null {
  if (lines.length < 2) return lines[0] ?? null;
  return Buffer.concat(lines.flatMap((line, index) => (index === 0 ? [line] : [NEWLINE, line])));
}
