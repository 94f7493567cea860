import Value from 'typebox/value';
import { completeDatabase } from './config/database.js';
import { type Environment, expandEnvironment } from './config/environment.js';
import { completeKey, completeWebhook, keySecret } from './config/keys.js';
import { collectProblems, type Path, type Problems } from './config/problems.js';
import { completeProvider, providersFromEnvironment } from './config/providers.js';
import { checkKeys, checkReferences, type Declared } from './config/references.js';
import { completePolicies, completeRoutes } from './config/routes.js';
import { ConfigSchema, type GatewayOptions } from './config/schema.js';
import { checkShape } from './config/shape.js';
import { positiveTimer, timer } from './config/timer.js';
import type { Config, ProviderConfig } from './config/types.js';
import { parseBytes } from './config/units.js';

export { loadConfigFile } from './config/file.js';
export { ConfigError } from './config/problems.js';
export { ConfigSchema, type GatewayOptions } from './config/schema.js';
export type * from './config/types.js';
export { parseBytes, parseDuration } from './config/units.js';

const BODY_LIMIT = 32 * 2 ** 20;
/** Node refuses larger buffers on some platforms, and nobody means one. */
const MAX_BODY_LIMIT = 2 ** 31 - 1;
/** The largest file that OpenAI takes is 512 MB. */
const UPLOAD_LIMIT = 600_000_000;
const RETRIES = 2;
const DRAIN_TIMEOUT = 30_000;
const DRAIN_LIMIT = { time: 60_000, bytes: 4_000_000 };
const CLIENT_TIMEOUT = 120_000;

/**
 * Turns options (of the plugin, or a parsed file) into a complete configuration that shares nothing with them.
 * Throws a ConfigError that lists every problem found, one per line, each with its path; no secret is ever in it.
 *
 * @example
 * const config = parseConfig({ providers: { lab: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:8000/v1' } } });
 */
export function parseConfig(input: unknown, environment: Environment = process.env): Config {
  const problems = collectProblems();
  const expanded = expandEnvironment(input ?? {}, environment, problems);
  const options = checkShape(ConfigSchema, expanded, problems);
  if (!Value.Check(ConfigSchema, options)) {
    problems.throwIfAny();
    throw new Error('the configuration has an undetected problem');
  }
  const config = complete(options, environment, problems);
  checkKeys(options.keys ?? [], problems);
  checkReferences(config, declaredNames(expanded.value, config), problems);
  problems.throwIfAny();
  return config;
}

/** The configuration for printing: the same shape, every secret replaced by `***`. */
export function describeConfig(config: Config): unknown {
  return {
    ...structuredClone(config),
    keys: config.keys.map((key) => ({ ...key, key: '***' })),
    keySecret: config.keySecret === null ? null : '***',
    // The path of such a URL is often a secret too.
    webhook:
      config.webhook === null ? null : { url: `${new URL(config.webhook.url).origin}/***`, secret: '***' },
    providers: Object.fromEntries(
      Object.entries(config.providers).map(([name, provider]) => [
        name,
        { ...provider, apiKey: provider.apiKey === null ? null : '***' },
      ]),
    ),
  };
}

function complete(options: GatewayOptions, environment: Environment, problems: Problems): Config {
  return {
    server: { host: options.server?.host ?? '127.0.0.1', port: options.server?.port ?? 8080 },
    database: options.database === false ? false : completeDatabase(options.database ?? {}, problems),
    keys: (options.keys ?? []).map((key, index) => completeKey(key, ['keys', index], problems)),
    keySecret: keySecret(options.keySecret, environment, problems),
    webhook: completeWebhook(options.webhook, problems),
    anonymous: options.anonymous ?? 'loopback',
    providers: completeProviders(options, environment, problems),
    routes: completeRoutes(options.routes, problems),
    policies: completePolicies(options.policies),
    defaultRoute: options.defaultRoute ?? null,
    passthroughProvider: options.passthroughProvider ?? null,
    retries: options.retries ?? RETRIES,
    disconnect: options.disconnect ?? 'abort',
    drainLimit: {
      time: positiveTimer(options.drainLimit?.time, DRAIN_LIMIT.time, ['drainLimit', 'time'], problems),
      bytes: bytes(
        options.drainLimit?.bytes,
        DRAIN_LIMIT.bytes,
        Number.MAX_SAFE_INTEGER,
        ['drainLimit', 'bytes'],
        problems,
      ),
    },
    bodyLimit: bytes(options.bodyLimit, BODY_LIMIT, MAX_BODY_LIMIT, ['bodyLimit'], problems),
    uploadLimit: bytes(options.uploadLimit, UPLOAD_LIMIT, Number.MAX_SAFE_INTEGER, ['uploadLimit'], problems),
    drainTimeout: timer(options.drainTimeout, DRAIN_TIMEOUT, ['drainTimeout'], problems),
    clientTimeout: positiveTimer(options.clientTimeout, CLIENT_TIMEOUT, ['clientTimeout'], problems),
    streamPing:
      options.streamPing === undefined
        ? null
        : positiveTimer(options.streamPing, 0, ['streamPing'], problems),
  };
}

function completeProviders(
  options: GatewayOptions,
  environment: Environment,
  problems: Problems,
): Record<string, ProviderConfig> {
  const absent = options.providers === undefined && !problems.under(['providers']);
  const given = absent ? providersFromEnvironment(environment) : (options.providers ?? {});
  const providers: Record<string, ProviderConfig> = Object.create(null);
  for (const [name, provider] of Object.entries(given)) {
    providers[name] = completeProvider(name, provider, environment, problems);
  }
  if (Object.keys(given).length === 0 && !problems.under(['providers'])) {
    problems.add(['providers'], 'must not be empty (leave it out to use the API keys of the environment)');
  }
  return providers;
}

function bytes(
  option: number | string | undefined,
  fallback: number,
  max: number,
  path: Path,
  problems: Problems,
): number {
  if (option === undefined) return fallback;
  const value = typeof option === 'number' ? option : (parseBytes(option) ?? Number.NaN);
  if (value >= 1 && value <= max) return value;
  problems.add(path, `must be between 1 and ${max} bytes`);
  return fallback;
}

/** The names the user gave, also of entries that have other problems: those problems are enough to say. */
function declaredNames(input: unknown, config: Config): Declared {
  const names = (key: string, complete: object) => {
    const given: unknown = typeof input === 'object' && input !== null ? Reflect.get(input, key) : undefined;
    const written = typeof given === 'object' && given !== null ? Object.keys(given) : [];
    return [...new Set([...written, ...Object.keys(complete)])];
  };
  return {
    providers: names('providers', config.providers),
    routes: names('routes', config.routes),
    policies: names('policies', config.policies),
  };
}
