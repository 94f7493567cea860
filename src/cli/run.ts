import { ConfigError } from '../config/problems.js';
import { packageVersion } from '../version.js';
import { isWorker } from '../workers/role.js';
import { type Command, type Overrides, parseCommand } from './arguments.js';
import { helpText } from './commands.js';
import { CommandError } from './failure.js';

/**
 * Does what the arguments ask for. Sets the exit code: 0 when done, 1 when it could not be done, 2 when the
 * arguments make no sense. `serve` returns once the server listens.
 */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    await dispatch(argv);
  } catch (error) {
    process.exitCode = report(error);
    // Its channel to the primary process would keep it.
    if (isWorker()) process.exit();
  }
}

async function dispatch(argv: readonly string[]): Promise<void> {
  const command = await parseCommand(argv);
  if (command.name === 'help') process.stdout.write(helpText(command.about));
  else if (command.name === 'version') process.stdout.write(`${packageVersion()}\n`);
  else if (command.name === 'check') await (await import('./check.js')).check(command.file);
  else if (command.name === 'keys') await (await import('./keys.js')).keys(command);
  else if (command.name === 'cost') await (await import('./cost.js')).cost(command);
  // Loaded only now: a server and a database take time that the rest need not wait for.
  else if (command.name === 'serve') await startServing(command);
  else if (command.name === 'stats') await (await import('./stats.js')).stats(command.file, command.values);
  else if (command.name === 'tail') await (await import('./tail.js')).tail(command.file, command.values);
  else if (command.name === 'prune') await (await import('./prune.js')).prune(command.file, command.values);
  else await (await import('./export.js')).exportExchanges(command.file, command.values);
}

async function startServing({
  file,
  overrides,
  workers,
}: Extract<Command, { name: 'serve' }>): Promise<void> {
  if (isWorker()) await (await import('./serve-worker.js')).serveAsWorker();
  else if (workers > 1) await (await import('./serve-many.js')).serveMany(file, overrides, workers);
  else await serve(file, overrides);
}

/** The ledger's thread starts on another core while this one loads the rest. */
async function serve(file: string | null, overrides: Overrides): Promise<void> {
  if (overrides.db !== 'off') (await import('../db/threads.js')).warmThread('write');
  await (await import('./serve.js')).serve(file, overrides);
}

/** Says what went wrong and returns the exit code. An error that nobody expected is a defect: it keeps its stack. */
function report(error: unknown): number {
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  if (!(error instanceof CommandError)) throw error;
  process.stderr.write(`llm-gateway: ${error.message}\n`);
  return error.exitCode;
}
