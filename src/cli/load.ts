import { existsSync } from 'node:fs';
import { type Config, ConfigError, type GatewayOptions, loadConfigFile, parseConfig } from '../config.js';
import { isLoopbackHost } from '../loopback.js';
import { isRecord } from '../stream/json.js';
import type { Overrides } from './arguments.js';

/** Looked for in the working directory when no file is named. */
export const defaultFiles: readonly string[] = ['llm-gateway.yaml', 'llm-gateway.yml', 'llm-gateway.json'];

/** A configuration that can be served. */
export interface Loaded {
  readonly config: Config;
  /** What `config` was made from: variables not expanded, defaults not filled in. */
  readonly options: GatewayOptions;
  /** The file that was read; null when there is none. */
  readonly file: string | null;
}

/**
 * Reads the configuration: the named file, or the one in the working directory, or the environment alone.
 * Rejects with a ConfigError with one line for each problem.
 */
export async function load(named: string | null, overrides: Overrides = {}): Promise<Loaded> {
  const file = named ?? findFile();
  const input = withOverrides(file === null ? {} : ((await loadConfigFile(file)) ?? {}), overrides);
  try {
    const config = parseConfig(input);
    // What parseConfig has accepted is of this shape, but for strings like "${PORT}" that stand for numbers.
    return { config, options: input as GatewayOptions, file };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = error.message.split('\n').map((line) => `${file ?? 'configuration'}: ${line}`);
    throw new ConfigError(lines.join('\n'));
  }
}

function findFile(): string | null {
  const [file, other] = defaultFiles.filter((name) => existsSync(name));
  if (file !== undefined && other !== undefined) {
    throw new ConfigError(`there are both ${file} and ${other} here: name the one that counts with --config`);
  }
  return file ?? null;
}

function withOverrides(input: unknown, { host, port, db }: Overrides): unknown {
  if (!isRecord(input)) return input;
  const server = { ...(host !== undefined && { host: literal(host) }), ...(port !== undefined && { port }) };
  return {
    ...input,
    ...(Object.keys(server).length > 0 && { server: merged(input.server, server) }),
    ...(db === 'off' && { database: false }),
    ...(db !== undefined &&
      db !== 'off' && { database: merged(input.database || {}, { path: literal(db) }) }),
  };
}

/** What is no object stays, so that its problem is reported. */
function merged(given: unknown, changes: Record<string, unknown>): unknown {
  return given === undefined || isRecord(given) ? { ...given, ...changes } : given;
}

/** The shell has expanded the argument already. */
function literal(text: string): string {
  return text.replaceAll('${', () => '$${');
}

/**
 * Throws a ConfigError for a server that others can reach and that has no keys, neither in the configuration nor in its
 * database. The gateway would turn them away one by one; whoever opens it to them should learn that before they do.
 */
export async function refuseExposure({ config, file }: Loaded): Promise<void> {
  const { server, keys, anonymous, database } = config;
  if (keys.length > 0 || anonymous === 'anywhere' || isLoopbackHost(server.host)) return;
  // Loaded only now: the database's driver takes time that others need not wait for.
  if (database !== false && (await import('./stored-keys.js')).hasStoredKeys(database.path)) return;
  throw new ConfigError(
    `${file ?? 'configuration'}: server.host is "${server.host}", which other machines can reach, but there are no keys: ` +
      'add `keys`, create one with `llm-gateway keys create`, listen on 127.0.0.1, or set `anonymous: anywhere` to serve everybody',
  );
}
