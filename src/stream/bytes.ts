/** A byte buffer that grows by doubling, so appending single bytes costs linear time in total. */
export interface Accumulator {
  readonly length: number;
  append(source: Buffer, start: number, end: number): void;
  /** The bytes so far; valid until the next call. */
  view(): Buffer;
  /** The bytes so far, for the caller to keep; the accumulator is empty afterwards. */
  take(): Buffer;
  clear(): void;
}

const EMPTY = Buffer.alloc(0);
const FIRST = 512;
/** A larger buffer is given back on `clear`, so a stream does not keep the memory of its largest event. */
const KEEP = 16_384;

export function createAccumulator(): Accumulator {
  let buffer = EMPTY;

  // A field and no getter: what is made for each stream and has one of those is kept, with all that it refers to, until
  // the old generation of the heap is collected.
  const accumulator = {
    length: 0,
    append(source: Buffer, start: number, end: number): void {
      const { length } = accumulator;
      const needed = length + end - start;
      if (needed > buffer.length) {
        const grown = Buffer.allocUnsafe(Math.max(needed, buffer.length * 2, FIRST));
        buffer.copy(grown, 0, 0, length);
        buffer = grown;
      }
      source.copy(buffer, length, start, end);
      accumulator.length = needed;
    },
    view: () => buffer.subarray(0, accumulator.length),
    take() {
      const taken = accumulator.view();
      buffer = EMPTY;
      accumulator.length = 0;
      return taken;
    },
    clear() {
      accumulator.length = 0;
      if (buffer.length > KEEP) buffer = EMPTY;
    },
  };
  return accumulator;
}
