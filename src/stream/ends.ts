/** The two ends of an event that is too large to be kept. */
export interface Ends {
  append(bytes: Buffer): void;
  /** Valid until the next call. Everything, when nothing is missing. */
  readonly head: Buffer;
  /** What came last; empty when nothing is missing. Valid until the next call. */
  readonly tail: Buffer;
}

/** Enough for what comes before the content: `type`, `id`, `status`. */
const HEAD = 16_384;
/** Enough for what follows it: `usage` and the 16 entries of `metadata`, which OpenAI limits to 512 characters each. */
const TAIL = 65_536;

/** Memory: 144 KiB. Cost: two copies of each byte. */
export function createEnds(): Ends {
  const start = Buffer.allocUnsafe(HEAD);
  const recent = Buffer.allocUnsafe(2 * TAIL);
  let startLength = 0;
  let recentLength = 0;
  let lost = false;

  function append(bytes: Buffer): void {
    const taken = bytes.copy(start, startLength);
    startLength += taken;
    let rest = bytes.subarray(taken);
    if (rest.length > TAIL) {
      lost = true;
      recentLength = 0;
      rest = rest.subarray(rest.length - TAIL);
    }
    if (recentLength + rest.length > recent.length) makeRoom();
    rest.copy(recent, recentLength);
    recentLength += rest.length;
  }

  function makeRoom(): void {
    lost = true;
    recent.copyWithin(0, recentLength - TAIL, recentLength);
    recentLength = TAIL;
  }

  return {
    append,
    get head() {
      const first = start.subarray(0, startLength);
      return lost ? first : Buffer.concat([first, recent.subarray(0, recentLength)]);
    },
    get tail() {
      return lost ? recent.subarray(Math.max(0, recentLength - TAIL), recentLength) : recent.subarray(0, 0);
    },
  };
}
