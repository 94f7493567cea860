import { createAccumulator } from './bytes.js';
import { nullUsages, withoutNullUsage } from './null-usage.js';
import { joined } from './ranges.js';

/**
 * Cuts whole events out of a byte stream. To be able to, it holds an unfinished event back.
 * For each chunk: `begin`, then `boundary` for every block that ends in it, then `flush`.
 */
export interface Cutter {
  begin(chunk: Buffer): void;
  /** What of the blocks that are passed next does not go out, in ascending order. */
  readonly removed: number[];
  /** A block ended `end` bytes into the chunk, or several did. */
  boundary(end: number, kept: Kept): void;
  /** The bytes that go out now: the chunk itself when all of it does. With `release` nothing is held back. */
  flush(release: boolean): Buffer;
  /** How many bytes are held back. */
  heldBytes(): number;
  /** What is held back, which it is no longer. */
  take(): Buffer;
}

/** What goes out of a block. */
export type Kept = 'all' | 'all but null usage' | 'nothing';

const LF = 10;
const CR = 13;
const NOTHING: Buffer = Buffer.alloc(0);

export function createCutter(): Cutter {
  const held = createAccumulator();
  const removed: number[] = [];
  let chunk = NOTHING;
  /** The block that began in an earlier chunk. */
  let first: Buffer | null = null;
  let from = 0;
  let blockStart = 0;
  let afterCr = false;
  let lastCut = false;

  function keep(end: number, kept: Kept): void {
    if (held.length > 0) {
      held.append(chunk, 0, end);
      const block = held.take();
      first = kept === 'all' ? block : withoutNullUsage(block);
      from = end;
    } else if (kept === 'all but null usage') {
      for (const at of nullUsages(chunk.subarray(blockStart, end))) removed.push(blockStart + at);
    }
  }

  function drop(end: number): void {
    held.clear();
    if (from === blockStart) from = end;
    else removed.push(blockStart, end);
  }

  function out(): Buffer {
    if (removed.length > 0) return joined(first, chunk, from, blockStart, removed);
    if (first !== null) return from === blockStart ? first : joined(first, chunk, from, blockStart, removed);
    return from === 0 && blockStart === chunk.length ? chunk : chunk.subarray(from, blockStart);
  }

  return {
    removed,
    begin(next) {
      chunk = next;
      // The LF of a CRLF that was split between two chunks goes where its CR went.
      blockStart = afterCr && chunk[0] === LF ? 1 : 0;
      from = lastCut ? blockStart : 0;
    },
    boundary(end, kept) {
      if (kept === 'nothing') drop(end);
      else keep(end, kept);
      blockStart = end;
      lastCut = kept === 'nothing';
    },
    flush(release) {
      afterCr = blockStart === chunk.length && chunk[chunk.length - 1] === CR;
      if (release) {
        if (held.length > 0) first = held.take();
        if (blockStart < chunk.length) lastCut = false;
        blockStart = chunk.length;
      } else if (blockStart < chunk.length) {
        held.append(chunk, blockStart, chunk.length);
      }
      const bytes = out();
      chunk = NOTHING;
      first = null;
      removed.length = 0;
      return bytes;
    },
    heldBytes: () => held.length,
    take: held.take,
  };
}
