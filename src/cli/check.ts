import { load } from './load.js';
import { summaryLines } from './summary.js';

/** Prints what a configuration means. Throws a ConfigError with one line for each problem. Opens no database. */
export function check(file: string | null): void {
  const loaded = load(file);
  const { host, port } = loaded.config.server;
  process.stdout.write(
    `${[...summaryLines(loaded), `server     ${host}, port ${port}`, '', 'The configuration is valid.'].join('\n')}\n`,
  );
}
