import cluster from 'node:cluster';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { parseConfig } from '../config.js';
import { createMember } from '../workers/member.js';
import type { FromWorker, ToWorker } from '../workers/messages.js';
import { ownRole, type Role } from '../workers/role.js';
import type { Sharing } from '../workers/sharing.js';
import { openSharing } from '../workers/store.js';
import type { Area, Workers } from '../workers/workers.js';
import type { Loaded } from './load.js';
import { createLogger } from './logger.js';
import { greeting, startServer } from './serve.js';
import { closeOnSignals } from './shutdown.js';

/** Serves as one of several. Throws what `serve` throws, but for what the primary process has found out before. */
export async function serveAsWorker(): Promise<void> {
  const role = ownRole();
  process.title = `llm-gateway: worker ${role.slot + 1}`;
  const loaded = await receiveConfig();
  const member = createMember(tell);
  process.on('message', (message: ToWorker) => member.take(message));
  const workers: Workers = {
    count: role.count,
    isFirst: role.slot === 0,
    isFresh: role.isFresh,
    sharing: await sharings(role),
    ...member,
  };
  const { app, url } = await startServer(loaded, workers);
  closeOnSignals(app, loaded.config.drainTimeout);
  closeWithPrimary(role, member.leave);
  tell({ kind: 'listening', lines: greeting(loaded, url, role.count) });
}

/** The primary process has read it once for all, so that all have the same, also those that it starts later. */
async function receiveConfig(): Promise<Loaded> {
  const answer = once(process, 'message');
  tell({ kind: 'hello' });
  const [message]: ToWorker[] = await answer;
  if (message?.kind !== 'start') throw new Error('The primary process does not say what to serve.');
  const { options, file } = message;
  return { options, file, config: parseConfig(options) };
}

function tell(message: FromWorker): void {
  // Without a listener an error would be thrown: that the primary process is gone is told elsewhere.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

async function sharings({ folder }: Role): Promise<(area: Area) => Sharing> {
  const logger = await createLogger();
  const worker = cluster.worker?.id ?? 0;
  return (area) =>
    openSharing(folder, area, worker, (err) =>
      logger.error({ err, area }, 'what workers share cannot be shared: this one goes on by itself'),
    );
}

/**
 * Without the primary process nothing leads here any more: what is under way may finish. Node's cluster would end the
 * process at once.
 */
function closeWithPrimary({ folder }: Role, leave: () => void): void {
  const { worker } = cluster;
  if (worker === undefined) return;
  worker.exitedAfterDisconnect = true;
  process.once('disconnect', () => {
    leave();
    // Open files stay until their last user closes them.
    rmSync(folder, { recursive: true, force: true });
    process.kill(process.pid, 'SIGTERM');
  });
}
