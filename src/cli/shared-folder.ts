import { accessSync, constants, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where Linux keeps files in memory. */
const IN_MEMORY = '/dev/shm';

/** A new folder, in memory where there is such a place, that only this user can read. */
export function makeSharedFolder(): string {
  return mkdtempSync(join(placeFor(), `llm-gateway-${process.pid}-`));
}

function placeFor(): string {
  try {
    accessSync(IN_MEMORY, constants.W_OK);
    return IN_MEMORY;
  } catch {
    return tmpdir();
  }
}
