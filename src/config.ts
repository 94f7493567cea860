import Value from 'typebox/value';
import { completeDatabase } from './config/database.js';
import { type Environment, expandEnvironment } from './config/environment.js';
import { collectProblems, type Problems } from './config/problems.js';
import { completeProvider, providersFromEnvironment, timer } from './config/providers.js';
import { checkKeys, checkReferences } from './config/references.js';
import { ConfigSchema, type GatewayOptions } from './config/schema.js';
import { checkShape } from './config/shape.js';
import type { Config, KeyConfig, ProviderConfig, RouteConfig } from './config/types.js';
import { parseBytes } from './config/units.js';
import { refuseUnsupported } from './config/unsupported.js';

export { loadConfigFile } from './config/file.js';
export { ConfigError } from './config/problems.js';
export { ConfigSchema, type GatewayOptions } from './config/schema.js';
export type * from './config/types.js';
export { parseBytes, parseDuration } from './config/units.js';

const BODY_LIMIT = 32 * 2 ** 20;
/** Node refuses larger buffers on some platforms, and nobody means one. */
const MAX_BODY_LIMIT = 2 ** 31 - 1;
const DRAIN_TIMEOUT = 30_000;

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
  refuseUnsupported(options, problems);
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
    keys: (options.keys ?? []).map(completeKey),
    anonymous: options.anonymous ?? 'loopback',
    providers: completeProviders(options, environment, problems),
    routes: completeRoutes(options),
    defaultRoute: options.defaultRoute ?? null,
    disconnect: 'abort',
    bodyLimit: bodyLimit(options.bodyLimit, problems),
    drainTimeout: timer(options.drainTimeout, DRAIN_TIMEOUT, ['drainTimeout'], problems),
  };
}

function completeKey(options: NonNullable<GatewayOptions['keys']>[number]): KeyConfig {
  const scopes: KeyConfig['scopes'] = options.scopes ?? ['proxy'];
  return {
    name: options.name,
    key: options.key,
    scopes: [...new Set(scopes)],
    routes: options.routes === undefined ? null : [...new Set(options.routes)],
    capture: options.capture ?? null,
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

function completeRoutes(options: GatewayOptions): Record<string, RouteConfig> {
  const routes: Record<string, RouteConfig> = Object.create(null);
  for (const [name, route] of Object.entries(options.routes ?? {})) {
    routes[name] = { name, strategy: 'priority', targets: route.targets, capture: route.capture ?? null };
  }
  return routes;
}

function bodyLimit(option: GatewayOptions['bodyLimit'], problems: Problems): number {
  if (option === undefined) return BODY_LIMIT;
  const bytes = typeof option === 'number' ? option : (parseBytes(option) ?? Number.NaN);
  if (bytes >= 1 && bytes <= MAX_BODY_LIMIT) return bytes;
  problems.add(['bodyLimit'], `must be between 1 and ${MAX_BODY_LIMIT} bytes`);
  return BODY_LIMIT;
}

/** The names the user gave, also of entries that have other problems: those problems are enough to say. */
function declaredNames(input: unknown, config: Config): { providers: string[]; routes: string[] } {
  const names = (key: string, complete: object) => {
    const given: unknown = typeof input === 'object' && input !== null ? Reflect.get(input, key) : undefined;
    const written = typeof given === 'object' && given !== null ? Object.keys(given) : [];
    return [...new Set([...written, ...Object.keys(complete)])];
  };
  return { providers: names('providers', config.providers), routes: names('routes', config.routes) };
}
