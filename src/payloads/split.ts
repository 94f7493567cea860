import { isArray, isObject, scanJson } from './scan.js';

/** A body in parts that other bodies may have too: `shell` up to `at`, the pieces, and the rest of `shell`. */
export interface SplitBody {
  shell: Buffer;
  at: number;
  pieces: Buffer[];
}

/** What holds a conversation: chat completions, and responses. */
const LISTS = new Set(['messages', 'input']);
/** A smaller piece would cost more than it saves: each has a hash and an entry in an index. */
const MIN_PIECE_BYTES = 128;

/**
 * Splits a request into its messages and the rest, by bytes: put together again they are what the client sent. Each
 * piece begins with the separator before it, so that a conversation that goes on begins with the same pieces. A body
 * without a conversation is all shell.
 */
export function splitBody(body: Buffer): SplitBody {
  const ends = pieceEnds(body.toString('latin1'));
  const [start] = ends;
  if (start === undefined) return { shell: body, at: body.length, pieces: [] };
  const pieces = ends.slice(1).map((end, index) => body.subarray(ends[index], end));
  return { shell: Buffer.concat([body.subarray(0, start), body.subarray(ends.at(-1))]), at: start, pieces };
}

/** Where the first piece begins, and where each ends; empty when there are none. */
function pieceEnds(text: string): number[] {
  const ends: number[] = [];
  let last = 0;
  let inList = false;
  let found = false;

  scanJson(text, {
    enter(name, depth, first) {
      if (depth === 1) {
        // The first list only: a body has one conversation.
        inList = !found && typeof name === 'string' && LISTS.has(name) && isArray(first);
        found ||= inList;
        return inList ? 'into' : 'take';
      }
      return isObject(first) ? 'take' : 'into';
    },
    take(start, end) {
      if (!inList) return;
      if (ends.length === 0) ends.push(start);
      last = end;
      if (end - (ends.at(-1) ?? 0) >= MIN_PIECE_BYTES) ends.push(end);
    },
  });
  if (last > (ends.at(-1) ?? last)) ends.push(last);
  return ends.length > 1 ? ends : [];
}
