import type { Overrides } from './arguments.js';
import { CommandError } from './failure.js';
import { type Loaded, load, refuseExposure } from './load.js';
import { createLogger } from './logger.js';
import { createPrimary } from './primary.js';
import { onStopSignals } from './shutdown.js';

/**
 * Starts several processes that serve one gateway on one port, and looks after them. Returns once all listen. Throws
 * what `serve` throws.
 */
export async function serveMany(file: string | null, overrides: Overrides, count: number): Promise<void> {
  process.title = 'llm-gateway';
  const loaded = await load(file, overrides);
  await refuseExposure(loaded);
  refuseMemory(loaded);
  const logger = await createLogger();
  const primary = createPrimary({ count, options: loaded.options, file: loaded.file, logger });
  onStopSignals({
    first(signal) {
      logger.info(
        { signal, workers: count },
        'shutting down: the workers may finish, another signal ends them',
      );
      primary.stop(signal);
    },
    again: () => primary.kill(),
  });
  const lines = await primary.start();
  if (lines !== null) process.stdout.write(`${lines.join('\n')}\n`);
}

function refuseMemory({ config: { database } }: Loaded): void {
  if (database === false || database.path !== ':memory:') return;
  throw new CommandError('--workers needs a database file: a database in memory cannot be shared');
}
