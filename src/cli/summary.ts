import { resolve } from 'node:path';
import type { Config, KeyConfig, ProviderConfig, RetentionConfig } from '../config.js';
import { recordOf } from '../stream/json.js';
import { presets } from '../upstream/presets.js';
import { bytesText } from './format.js';
import { defaultFiles, type Loaded } from './load.js';

const LABEL_WIDTH = 11;
const DAY_MS = 86_400_000;

/**
 * What a configuration means, line by line. No secret is in it: keys are shown as `***` and by where they come from.
 * Of long lists only the first `limit` entries are shown.
 */
export function summaryLines(loaded: Loaded, limit = Number.POSITIVE_INFINITY): string[] {
  const { config } = loaded;
  return [
    ...section('config', [
      loaded.file ?? `no file (${defaultFiles.join(', ')}): the environment and defaults`,
    ]),
    ...section(
      'providers',
      aligned(Object.values(config.providers).map((provider) => providerCells(provider, loaded))),
      limit,
    ),
    ...section('routes', routeLines(config), limit),
    ...section('models', modelLines(config), limit),
    ...section('keys', keyLines(config), limit),
    ...section('database', [databaseLine(config)]),
  ];
}

function section(label: string, lines: readonly string[], limit = lines.length): string[] {
  const shown = lines.slice(0, limit);
  if (lines.length > limit) shown.push(`... and ${lines.length - limit} more`);
  return shown.map((line, index) => `${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${line}`);
}

function aligned(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function providerCells(provider: ProviderConfig, loaded: Loaded): string[] {
  const place = provider.echo === null ? provider.baseUrl : 'built in, answers without any network';
  const noKey = provider.echo === null ? 'no key' : '';
  return [
    provider.name,
    place,
    provider.apiKey === null ? noKey : `key *** from ${keySource(provider, loaded)}`,
  ];
}

/** The variable that holds a provider's key, or the configuration. */
function keySource({ name, type, apiKey }: ProviderConfig, { options }: Loaded): string {
  const written: unknown = recordOf(recordOf(options.providers)[name]).apiKey;
  if (written !== undefined) return variableIn(written) ?? 'the configuration';
  const own = `${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}_API_KEY`;
  const variable = [own, ...presets[type].environment].find((candidate) => process.env[candidate] === apiKey);
  return variable ?? 'the environment';
}

/** The name in a value that is `${NAME}` and nothing else. */
export function variableIn(written: unknown): string | null {
  return typeof written === 'string' ? (/^\$\{([A-Za-z_]\w*)\}$/.exec(written)?.[1] ?? null) : null;
}

function routeLines({ routes, defaultRoute }: Config): string[] {
  return Object.values(routes).map((route) => {
    const fallback = route.name === defaultRoute ? '  (also for models nothing else knows)' : '';
    return `${route.name} -> ${route.targets.join(', ')}${fallback}`;
  });
}

function modelLines({ providers }: Config): string[] {
  return Object.values(providers).flatMap((provider) => {
    const declared = Object.values(provider.models).map(
      ({ id, alias }) => `${provider.name}/${id}${alias === null ? '' : `, also as ${alias}`}`,
    );
    return declared.length > 0 ? declared : [`${provider.name}/<any model>`];
  });
}

function keyLines({ keys, anonymous }: Config): string[] {
  if (keys.length > 0) return keys.map(keyLine);
  return anonymous === 'anywhere'
    ? ['none: EVERYBODY who can reach this address is served (anonymous: anywhere)']
    : ['none: only callers on this machine are served'];
}

function keyLine({ name, scopes, routes }: KeyConfig): string {
  return `${name} ***  ${scopes.join(', ')}${routes === null ? '' : `; routes ${routes.join(', ')}`}`;
}

function databaseLine(config: Config): string {
  const { database } = config;
  if (database === false) return 'off: nothing is recorded';
  const place =
    database.path === ':memory:' ? ':memory:, gone when the process ends' : resolve(database.path);
  return [place, captureText(config), ...retentionTexts(database.retention)].join('; ');
}

/** The most that is captured anywhere. */
function captureText({ database, keys, routes }: Config): string {
  const modes = [...keys, ...Object.values(routes)].map(({ capture }) => capture);
  const general = database === false ? 'none' : database.capture;
  const special = modes.some((mode) => mode !== null && mode !== general);
  const text = { none: 'no bodies', errors: 'bodies of what went wrong', all: 'all bodies' }[general];
  return special ? `${text}, but some keys or routes otherwise` : text;
}

function retentionTexts({ exchanges, payloads, maxSize }: RetentionConfig): string[] {
  const days = (age: number) => `${Number((age / DAY_MS).toFixed(2))} days`;
  return [
    ...(exchanges === null ? [] : [`exchanges are kept ${days(exchanges)}`]),
    ...(payloads === null ? [] : [`bodies are kept ${days(payloads)}`]),
    ...(maxSize === null ? [] : [`at most ${bytesText(maxSize)}`]),
  ];
}
