import { setFlagsFromString } from 'node:v8';
import type { FastifyInstance } from 'fastify';
import gateway from '../index.js';
import type { Workers } from '../workers/workers.js';
import type { Overrides } from './arguments.js';
import { exampleLines } from './example.js';
import { CommandError, errorCode } from './failure.js';
import { type Loaded, load, refuseExposure } from './load.js';
import { createServer } from './server.js';
import { closeOnSignals } from './shutdown.js';
import { summaryLines } from './summary.js';

/** A screen shows this many entries of each list. */
const LIST_LIMIT = 12;

/** Starts the gateway and says where it is. Throws a ConfigError, or a CommandError with what stands in the way. */
export async function serve(file: string | null, overrides: Overrides): Promise<void> {
  process.title = 'llm-gateway';
  // V8 learns at the first burst, when its young generation is small, that what belongs to a request lives long, and from
  // then on puts it where only a full collection finds it. In a process of its own the gateway knows better: a third less
  // CPU per request.
  setFlagsFromString('--no-allocation-site-pretenuring');
  const loaded = await load(file, overrides);
  await refuseExposure(loaded);
  const { app, url } = await startServer(loaded);
  closeOnSignals(app, loaded.config.drainTimeout);
  process.stdout.write(`${greeting(loaded, url, 1).join('\n')}\n`);
}

/** A gateway that listens, and where. `workers` are those that it is one of. */
export async function startServer(
  loaded: Loaded,
  workers?: Workers,
): Promise<{ app: FastifyInstance; url: string }> {
  const app = await createServer();
  try {
    app.register(gateway, { ...loaded.options, ownsServer: true, ...(workers !== undefined && { workers }) });
    await app.ready();
    await listen(app, loaded.config.server);
    return { app, url: urlOf(app, loaded.config.server.host) };
  } catch (error) {
    await app.close();
    // Its message says which file, why, and what to do.
    throw errorCode(error) === 'LLM_GATEWAY_DATABASE' && error instanceof Error
      ? new CommandError(error.message)
      : error;
  }
}

/** What is printed once the gateway can be reached. */
export function greeting(loaded: Loaded, url: string, workers: number): string[] {
  return [
    `llm-gateway listens on ${url}${workers > 1 ? ` with ${workers} workers` : ''}`,
    '',
    ...summaryLines(loaded, LIST_LIMIT),
    '',
    ...exampleLines(loaded, url),
    '',
  ];
}

async function listen(app: FastifyInstance, { host, port }: { host: string; port: number }): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const problem = listenProblems[errorCode(error)];
    throw problem === undefined ? error : new CommandError(problem(host, port));
  }
}

const listenProblems: Readonly<Record<string, (host: string, port: number) => string>> = {
  EADDRINUSE: (host, port) =>
    `port ${port} of ${host} is in use: choose another with --port, or stop what uses it`,
  EACCES: (host, port) =>
    `there is no permission to listen on port ${port} of ${host}: choose one above 1023 with --port`,
  EADDRNOTAVAIL: (host) => `${host} is no address of this machine: choose another with --host`,
  ENOTFOUND: (host) => `the host "${host}" is not known: choose another with --host`,
  EAI_AGAIN: (host) => `the host "${host}" cannot be resolved now: give an IP address with --host`,
};

const anyAddress: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** Where a client on this machine reaches the server, with the port it really has. */
function urlOf(app: FastifyInstance, host: string): string {
  const [address] = app.addresses();
  const port = typeof address === 'object' ? address.port : 0;
  const name = anyAddress[host] ?? host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
