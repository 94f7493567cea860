import { load, refuseExposure } from './load.js';
import { summaryLines } from './summary.js';

/**
 * Prints what a configuration means. Throws a ConfigError with one line for each problem. Creates no database, and reads
 * one only when it may hold the keys without which the server must not start.
 */
export async function check(file: string | null): Promise<void> {
  const loaded = await load(file);
  await refuseExposure(loaded);
  const { host, port } = loaded.config.server;
  process.stdout.write(
    `${[...summaryLines(loaded), `server     ${host}, port ${port}`, '', 'The configuration is valid.'].join('\n')}\n`,
  );
}
