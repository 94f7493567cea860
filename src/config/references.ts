import type { Path, Problems } from './problems.js';
import type { GatewayOptions } from './schema.js';
import type { Config } from './types.js';

/** What names refer to: names as the user wrote them, including those of entries with other problems. */
export interface Declared {
  readonly providers: readonly string[];
  readonly routes: readonly string[];
  readonly policies: readonly string[];
}

/** Splits `provider/model` at the first `/`; null when it is not one. */
export function splitTarget(target: string): { provider: string; model: string } | null {
  const slash = target.indexOf('/');
  if (slash <= 0 || slash === target.length - 1) return null;
  return { provider: target.slice(0, slash), model: target.slice(slash + 1) };
}

/** Checks that every name in the configuration refers to something, and to one thing only. */
export function checkReferences(config: Config, declared: Declared, problems: Problems): void {
  checkTargets(config, declared, problems);
  checkPatterns(config, declared, problems);
  checkModelNames(config, problems);
  for (const [index, key] of config.keys.entries()) {
    for (const [item, route] of (key.routes ?? []).entries()) {
      checkRoute(route, ['keys', index, 'routes', item], declared, problems);
    }
    if (key.policy !== null && !declared.policies.includes(key.policy)) {
      problems.add(
        ['keys', index, 'policy'],
        `names the policy "${key.policy}", which is not configured (${configured(declared.policies)})`,
      );
    }
  }
  checkBudgets(config, problems);
  const { passthroughProvider } = config;
  if (passthroughProvider !== null && !declared.providers.includes(passthroughProvider)) {
    const known = configured(declared.providers);
    problems.add(
      ['passthroughProvider'],
      `names the provider "${passthroughProvider}", which is not configured (${known})`,
    );
  }
  if (config.defaultRoute !== null) checkRoute(config.defaultRoute, ['defaultRoute'], declared, problems);
}

/** Names and secrets of keys are unique: a caller is exactly one key. The secret is never printed. */
export function checkKeys(keys: NonNullable<GatewayOptions['keys']>, problems: Problems): void {
  for (const [index, { name, key }] of keys.entries()) {
    const sameName = keys.findIndex((other) => other.name === name);
    const sameKey = keys.findIndex((other) => other.key === key);
    if (sameName < index) {
      problems.add(['keys', index, 'name'], `is "${name}", like that of keys[${sameName}]`);
    }
    if (sameKey < index) problems.add(['keys', index, 'key'], `is the same as that of keys[${sameKey}]`);
  }
}

/** What was spent is read from the records: without them every restart would make it nothing. */
function checkBudgets({ database, keys, routes }: Config, problems: Problems): void {
  if (database !== false) return;
  const budgets: [Path, unknown][] = [
    ...keys.map(({ budget }, index): [Path, unknown] => [['keys', index, 'budget'], budget]),
    ...Object.values(routes).map(({ name, budget }): [Path, unknown] => [['routes', name, 'budget'], budget]),
  ];
  for (const [path, budget] of budgets) {
    if (budget !== null) problems.add(path, 'needs a database, in which is what was spent, but it is off');
  }
}

function checkRoute(name: string, path: Path, { routes }: Declared, problems: Problems): void {
  if (routes.includes(name)) return;
  problems.add(path, `names the route "${name}", which is not configured (${configured(routes)})`);
}

function checkTargets(config: Config, { providers }: Declared, problems: Problems): void {
  for (const route of Object.values(config.routes)) {
    for (const [index, target] of route.targets.entries()) {
      const path = ['routes', route.name, 'targets', index];
      if (route.targets.indexOf(target) < index) problems.add(path, `is "${target}", which is there already`);
      const { provider, model } = splitTarget(target) ?? { provider: target, model: '' };
      const models = closedList(config.providers[provider]);
      if (!providers.includes(provider)) {
        problems.add(
          path,
          `names the provider "${provider}", which is not configured (${configured(providers)})`,
        );
      } else if (models.length > 0 && !models.includes(model) && !problems.under(['providers', provider])) {
        problems.add(
          path,
          `names the model "${model}", which ${provider} does not declare (${declares(models)})`,
        );
      }
    }
    for (const target of Object.keys(route.weights)) {
      if (!route.targets.includes(target)) {
        problems.add(['routes', route.name, 'weights', target], 'is not one of the targets of the route');
      }
    }
  }
}

/** A pattern that can never match is a mistake, and in `deny` a dangerous one. */
function checkPatterns(config: Config, { providers }: Declared, problems: Problems): void {
  for (const policy of Object.values(config.policies)) {
    for (const list of ['allow', 'deny'] as const) {
      for (const [index, pattern] of (policy[list] ?? []).entries()) {
        const path = ['policies', policy.name, list, index];
        const provider = pattern.split('/', 1)[0] ?? '';
        if (!pattern.includes('/') && !pattern.includes('*')) {
          problems.add(path, `is "${pattern}", which is neither a target nor a pattern such as groq/*`);
        } else if (!provider.includes('*') && !providers.includes(provider)) {
          problems.add(
            path,
            `names the provider "${provider}", which is not configured (${configured(providers)})`,
          );
        }
      }
    }
  }
}

/** The declared models of a provider that has no others. */
function closedList(provider: Config['providers'][string] | undefined): string[] {
  return provider === undefined || provider.discover !== null ? [] : Object.keys(provider.models);
}

/** Clients write route names, aliases and targets in the same place, so none may hide another. */
function checkModelNames(config: Config, problems: Problems): void {
  const owners = new Map<string, string>();
  for (const name of Object.keys(config.routes)) {
    owners.set(name, `the route "${name}"`);
    if (isTarget(name, config)) problems.add(['routes', name], 'would hide the target of the same name');
  }
  for (const provider of Object.values(config.providers)) {
    for (const { id, alias } of Object.values(provider.models)) {
      if (alias === null) continue;
      const path = ['providers', provider.name, 'models', id, 'alias'];
      const owner = owners.get(alias);
      if (owner !== undefined) problems.add(path, `is "${alias}", which is already the name of ${owner}`);
      else owners.set(alias, `${provider.name}/${id}`);
      if (isTarget(alias, config))
        problems.add(path, `is "${alias}", which would hide the target of that name`);
    }
  }
}

function isTarget(name: string, config: Config): boolean {
  const target = splitTarget(name);
  const provider = target === null ? undefined : config.providers[target.provider];
  if (target === null || provider === undefined) return false;
  if (target.model in provider.models) return true;
  return Object.keys(provider.models).length === 0 && provider.discover === null;
}

function configured(names: readonly string[]): string {
  return names.length === 0 ? 'none is configured' : `configured: ${names.join(', ')}`;
}

function declares(models: readonly string[]): string {
  const more = models.length > 10 ? ', ...' : '';
  return `declared: ${models.slice(0, 10).join(', ')}${more}`;
}
