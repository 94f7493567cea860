import { type ProviderType, presets, providerTypes } from '../upstream/presets.js';
import type { Environment } from './environment.js';
import { completeBreaker, completeLimits } from './limits.js';
import { completePrices } from './prices.js';
import type { Path, Problems } from './problems.js';
import { echoOnly, type ModelOptions, type ProviderOptions } from './schema.js';
import { positiveTimer, timer } from './timer.js';
import type { EchoConfig, ModelConfig, ProviderConfig, TimeoutsConfig } from './types.js';

const DISCOVERY_PERIOD = 600_000;
const TIMEOUTS: TimeoutsConfig = { connect: 5000, firstByte: 120_000, idle: 60_000, total: 600_000 };

/** With no `providers` key: the hosted presets whose API key is in the environment, else `echo`. */
export function providersFromEnvironment(environment: Environment): Record<string, ProviderOptions> {
  const found: Record<string, ProviderOptions> = Object.create(null);
  for (const type of providerTypes) {
    if (presets[type].environment.some((name) => environment[name])) found[type] = { type };
  }
  return Object.keys(found).length > 0 ? found : { echo: { type: 'echo' } };
}

/** One provider with its preset and the defaults filled in. */
export function completeProvider(
  name: string,
  options: ProviderOptions,
  environment: Environment,
  problems: Problems,
): ProviderConfig {
  const { type } = options;
  const path = ['providers', name];
  if (type !== 'echo') refuseEchoKeys(options, path, problems);
  return {
    name,
    type,
    baseUrl: baseUrl(options, path, problems),
    apiKey: apiKey(name, options, environment, problems),
    timeouts: {
      connect: timeout('connect'),
      firstByte: timeout('firstByte'),
      idle: timeout('idle'),
      total: timeout('total'),
    },
    models: completeModels(options, [...path, 'models'], problems),
    streamUsage: options.streamUsage ?? presets[type].streamUsage,
    connections: options.connections ?? null,
    discover: discover(options, path, problems),
    limits: completeLimits(options.limits),
    breaker: completeBreaker(options.breaker, [...path, 'breaker'], problems),
    echo: type === 'echo' ? completeEcho(options, path, problems) : null,
  };

  function timeout(which: keyof TimeoutsConfig): number {
    return positiveTimer(options.timeouts?.[which], TIMEOUTS[which], [...path, 'timeouts', which], problems);
  }
}

function refuseEchoKeys(options: ProviderOptions, path: Path, problems: Problems): void {
  for (const name of echoOnly) {
    if (name in options) problems.add([...path, name], `is only for type echo, not for ${options.type}`);
  }
}

function baseUrl(options: ProviderOptions, path: Path, problems: Problems): string {
  const at = [...path, 'baseUrl'];
  const given = options.baseUrl;
  if (options.type === 'echo') {
    if (given !== undefined) problems.add(at, 'is not for type echo, which uses no network');
    return '';
  }
  if (given === undefined) {
    const preset = presets[options.type].baseUrl;
    if (preset === null && !problems.under(at)) problems.add(at, `is missing: type ${options.type} needs it`);
    return preset ?? '';
  }
  const url = URL.canParse(given) ? new URL(given) : null;
  if (url === null) {
    problems.add(at, 'must be a URL, got something that cannot be parsed');
  } else if (!['http:', 'https:'].includes(url.protocol)) {
    problems.add(at, `must be a URL with http or https, got ${url.protocol}`);
  } else if (url.username !== '' || url.password !== '') {
    problems.add(at, 'must not contain credentials: use apiKey');
  } else if (given.includes('?') || given.includes('#')) {
    problems.add(at, 'must not have a query or a fragment');
  } else {
    return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
  }
  return '';
}

function apiKey(
  name: string,
  options: ProviderOptions,
  environment: Environment,
  problems: Problems,
): string | null {
  const path = ['providers', name, 'apiKey'];
  if (problems.under(path)) return null;
  if (options.type === 'echo') {
    if (options.apiKey !== undefined) problems.add(path, 'is not for type echo, which uses no network');
    return null;
  }
  if (options.apiKey !== undefined) return options.apiKey;
  const variables = keyVariables(name, options.type);
  const variable = variables.find((candidate) => environment[candidate]);
  const found = variable === undefined ? undefined : environment[variable];
  if (variable === undefined || found === undefined) {
    if (presets[options.type].needsKey) {
      problems.add(path, `is missing: set it, or the environment variable ${variables.join(' or ')}`);
    }
    return null;
  }
  if (!/^[!-~]+$/.test(found)) {
    problems.add(path, `must be printable ASCII without spaces, but ${variable} holds something else`);
  }
  return found;
}

/** `<NAME>_API_KEY`; a provider named like its type may use its preset's other names too. */
function keyVariables(name: string, type: ProviderType): string[] {
  const own = `${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}_API_KEY`;
  return [...new Set([own, ...(name === type ? presets[type].environment : [])])];
}

function completeModels(
  options: ProviderOptions,
  path: Path,
  problems: Problems,
): Record<string, ModelConfig> {
  const given: Record<string, ModelOptions> = options.models ?? (options.type === 'echo' ? { echo: {} } : {});
  const models: Record<string, ModelConfig> = Object.create(null);
  for (const [id, model] of Object.entries(given)) {
    models[id] = {
      id,
      alias: model.alias ?? null,
      context: model.context ?? null,
      maxOutput: model.maxOutput ?? null,
      tier: model.tier ?? null,
      ...completePrices(model.price, [...path, id, 'price'], problems),
    };
  }
  return models;
}

function discover({ type, discover: given }: ProviderOptions, path: Path, problems: Problems): number | null {
  const at = [...path, 'discover'];
  if (given === undefined || given === false) return null;
  if (type === 'echo') problems.add(at, 'is not for type echo, which uses no network');
  const period = timer(given === true ? DISCOVERY_PERIOD : given, DISCOVERY_PERIOD, at, problems);
  if (period < 1000) problems.add(at, 'must be at least 1s');
  return period;
}

function completeEcho(options: ProviderOptions, path: Path, problems: Problems): EchoConfig {
  const { fail = null, failAfter = null, retryAfter } = options;
  return {
    latency: timer(options.latency, 0, [...path, 'latency'], problems),
    wordDelay: timer(options.wordDelay, 0, [...path, 'wordDelay'], problems),
    fail,
    failAfter,
    retryAfter: retryAfter === undefined ? null : timer(retryAfter, 0, [...path, 'retryAfter'], problems),
  };
}
