import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders = new Set<string>();
process.once('exit', removeAll);

/**
 * A new empty folder, which goes when the process ends. Not when the test does: hooks run in the order in which they
 * were asked for, so that of the folder would come before that of the ledger whose thread still writes there.
 */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-'));
  folders.add(folder);
  return folder;
}

function removeAll(): void {
  for (const folder of folders) {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
