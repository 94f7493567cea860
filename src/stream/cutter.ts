import { createAccumulator } from './bytes.js';

/**
 * Cuts whole events out of a byte stream. To be able to, it holds an unfinished event back.
 * For each chunk: `begin`, then `boundary` for every block that ends in it, then `flush`.
 */
export interface Cutter {
  begin(chunk: Buffer): void;
  /** A block ended `end` bytes into the chunk; with `cut` none of its bytes go out. */
  boundary(end: number, cut: boolean): void;
  /** The bytes that go out now: the chunk itself when all of it does. With `release` nothing is held back. */
  flush(release: boolean): Buffer;
  /** What is still held back. */
  end(): Buffer;
}

const LF = 10;
const CR = 13;

export function createCutter(): Cutter {
  const held = createAccumulator();
  let chunk: Buffer = Buffer.alloc(0);
  let pieces: Buffer[] = [];
  let from = 0;
  let blockStart = 0;
  let afterCr = false;
  let lastCut = false;

  return {
    begin(next) {
      chunk = next;
      pieces = [];
      // The LF of a CRLF that was split between two chunks goes where its CR went.
      blockStart = afterCr && chunk[0] === LF ? 1 : 0;
      from = lastCut ? blockStart : 0;
    },
    boundary(end, cut) {
      if (cut) {
        if (blockStart > from) pieces.push(chunk.subarray(from, blockStart));
        held.clear();
        from = end;
      } else if (held.length > 0) {
        pieces.push(held.take());
      }
      blockStart = end;
      lastCut = cut;
    },
    flush(release) {
      afterCr = blockStart === chunk.length && chunk[chunk.length - 1] === CR;
      if (release) {
        if (held.length > 0) pieces.push(held.take());
        if (blockStart < chunk.length) lastCut = false;
        blockStart = chunk.length;
      } else if (blockStart < chunk.length) {
        held.append(chunk, blockStart, chunk.length);
      }
      if (pieces.length === 0 && from === 0 && blockStart === chunk.length) return chunk;
      if (blockStart > from) pieces.push(chunk.subarray(from, blockStart));
      return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
    },
    end: () => held.take(),
  };
}
