import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How much may pass between two collections: about one more than this is the memory that an upload adds. */
const EVERY_BYTES = 2 * 1024 * 1024;

let collect: (() => void) | null = null;
let passed = 0;

/**
 * Tells that so many bytes of a file went by in buffers that nobody needs any more. V8 lets 32 MiB of them pile up before
 * it frees any, for each direction; a minor collection now and then (about 1 ms for 2 MiB) keeps an upload's memory flat.
 */
export function passedBy(bytes: number): void {
  passed += bytes;
  if (passed < EVERY_BYTES) return;
  passed = 0;
  collect ??= minorCollection();
  collect();
}

/** The collector, which V8 shows only to contexts that are made while its flag is set. */
function minorCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('typeof gc === "function" ? () => gc({ type: "minor" }) : null');
  setFlagsFromString('--no-expose-gc');
  return typeof gc === 'function' ? () => void gc() : () => {};
}
