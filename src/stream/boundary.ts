const LF = 10;
const CR = 13;

/** Says whether a stream of server-sent events stands between two events, whatever pieces it is written in. */
export interface Boundary {
  /** The bytes that were just written. */
  written(bytes: Buffer): void;
  /** The last event is over, or none has begun: another one may follow. */
  isReached(): boolean;
}

/**
 * Looks for the blank line at the end of what was written, in any of the three line ends that SSE knows. After a CR
 * that ends a blank line the LF of a CRLF may follow; what is put between the two leaves an empty line behind, which
 * means nothing.
 */
export function createBoundary(): Boundary {
  // The last three bytes, the newest lowest. A stream begins like after a blank line.
  let last = (LF << 8) | LF;

  return {
    written(bytes) {
      for (let at = Math.max(0, bytes.length - 3); at < bytes.length; at++) {
        last = ((last << 8) | bytes.readUInt8(at)) & 0xffffff;
      }
    },
    isReached() {
      const newest = last & 0xff;
      const before = (last >> 8) & 0xff;
      if (newest === CR) return isLineEnd(before);
      return newest === LF && (before === LF || (before === CR && isLineEnd(last >> 16)));
    },
  };
}

function isLineEnd(byte: number): boolean {
  return byte === LF || byte === CR;
}
