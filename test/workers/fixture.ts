import type { TestContext } from 'node:test';
import type { Sharing } from '../../src/workers/sharing.js';
import { createSharedFiles, openSharing, type SharedFiles } from '../../src/workers/store.js';
import type { Area } from '../../src/workers/workers.js';
import { temporaryFolder } from '../helpers/gateway.js';

/** Files in which workers share, each worker with a connection of its own as if it were a process. */
export interface SharedSetup {
  files: SharedFiles;
  /** What went wrong. */
  failures: unknown[];
  worker(id: number, area: Area): Sharing;
}

export function shareFiles(context?: TestContext): SharedSetup {
  const folder = temporaryFolder();
  const files = createSharedFiles(folder);
  const failures: unknown[] = [];
  context?.after(() => files.close());
  return {
    files,
    failures,
    worker: (id, area) => openSharing(folder, area, id, (error) => failures.push(error)),
  };
}
