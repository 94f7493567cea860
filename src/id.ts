import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const ID_BYTES = 16;
/** For 256 ids: the system takes as long for them as for one, which is most of what an id costs on its own. */
const random = new Uint8Array(256 * ID_BYTES);

/** A clock that is set back by more was wrong before: rows are found by the time in their ids. */
const MAX_BACK_MS = 60_000;

let used = random.length;
let lastMs = Number.NEGATIVE_INFINITY;
let sequence = 0;

/**
 * A new UUIDv7 (RFC 9562, 5.7). Ids sort in the order in which they were made, also within a millisecond, and when the
 * clock is set back by less than a minute.
 */
export function createId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  const bytes = random.subarray(used, used + ID_BYTES);
  used += ID_BYTES;
  advance(Date.now(), bytes);
  return v7({ random: bytes, msecs: lastMs, seq: sequence });
}

/** Counts on from a random number below 2^31 in each millisecond, as RFC 9562, 6.2, method 1 wants it. */
function advance(now: number, bytes: Uint8Array): void {
  if (now > lastMs || now < lastMs - MAX_BACK_MS) {
    lastMs = now;
    sequence = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) >>> 1;
  } else sequence++;
}
