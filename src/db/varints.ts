/** Pairs of whole numbers, each in as few bytes of seven bits as it takes, while they are read. */
export interface Pairs {
  bytes: Uint8Array;
  position: number;
  /** The pair that was read last. */
  left: number;
  right: number;
}

/** The pairs of some bytes, before the first. */
export function pairsOf(bytes: Uint8Array): Pairs {
  return { bytes, position: 0, left: 0, right: 0 };
}

/** Reads the next pair; false when there is none. It takes some nanoseconds: reports read hundreds of thousands. */
export function advance(pairs: Pairs): boolean {
  if (pairs.position >= pairs.bytes.length) return false;
  pairs.left = read(pairs);
  pairs.right = read(pairs);
  return true;
}

/** Most numbers are one byte. Arithmetic instead of shifts: a count may pass 32 bits. */
function read(pairs: Pairs): number {
  let byte = pairs.bytes[pairs.position++] ?? 0;
  let value = byte & 0x7f;
  for (let scale = 128; byte >= 0x80; scale *= 128) {
    byte = pairs.bytes[pairs.position++] ?? 0;
    value += (byte & 0x7f) * scale;
  }
  return value;
}

/** The most bytes that a number takes which can be counted exactly. */
export const MAX_VARINT = 8;

/** Writes a whole number that is not negative to a place; returns where it ends. */
export function writeVarint(bytes: Uint8Array, place: number, value: number): number {
  let end = place;
  let rest = value;
  while (rest >= 0x80) {
    bytes[end++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[end++] = rest;
  return end;
}
