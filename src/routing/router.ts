import type { Config } from '../config.js';
import { GatewayError } from '../errors.js';
import { type Availability, createAvailability } from './availability.js';
import { buildTable, type Entry, type ListedModel, type Table } from './table.js';

/** The only routes a caller may use; null means that it may use everything. */
type Allowed = ReadonlySet<string> | null;

/** Turns the `model` of a request into the targets that may answer it. */
export interface Router {
  /**
   * Where a model name leads; `defaultRoute` stands in for an unknown one. Throws `model_not_found` when it leads
   * nowhere, and `insufficient_permissions` when it leads, or may lead, past the routes that are allowed. With a
   * `provider`, only its targets are left; one that it does not name is looked for among that provider's models.
   */
  resolve(model: string, allowed: Allowed, provider?: string | null): Entry;
  /**
   * Where requests lead that are not routed by a model: to the provider the caller names, else to the configured
   * one; null when there is neither. Callers that are bound to routes have no such way.
   */
  passthrough(provider: string | null, allowed: Allowed): Entry | null;
  /** What a caller can name. One that is bound to routes sees nothing else. */
  models(allowed: Allowed): readonly ListedModel[];
  readonly availability: Availability;
  /** Whether at least one provider, and one of its declared models, is free at `now` (epoch ms). */
  usable(now: number): boolean;
}

/** Builds the router of a configuration. */
export function createRouter(
  config: Pick<Config, 'providers' | 'routes' | 'defaultRoute' | 'passthroughProvider'>,
): Router {
  const table = buildTable(config);
  const fallback = config.defaultRoute === null ? null : table.resolve(config.defaultRoute);
  const availability = createAvailability();
  return {
    availability,
    models(allowed) {
      const models = table.models();
      return allowed === null ? models : models.filter(({ id, isRoute }) => isRoute && allowed.has(id));
    },
    usable(now) {
      return table
        .targets()
        .some((target) => availability.blocked(target.provider.name, target.id, now) === null);
    },
    resolve(model, allowed, provider = null) {
      const known = table.resolve(model) ?? (provider === null ? fallback : null);
      const entry = provider === null ? known : narrow(table, known, provider, model);
      if (allowed !== null && (entry?.route == null || !allowed.has(entry.route))) throw notAllowed(model);
      if (provider !== null && table.provider(provider) === null) throw noProvider(config, provider);
      if (entry === null) throw notFound(config, model);
      return entry;
    },
    passthrough(provider, allowed) {
      const name = provider ?? config.passthroughProvider;
      if (name === null) return null;
      if (allowed !== null) {
        throw new GatewayError('insufficient_permissions', 'This API key may only use its routes.');
      }
      const entry = table.provider(name);
      if (entry === null) throw noProvider(config, name);
      return entry;
    },
  };
}

/** The targets of one provider among those a name leads to, else that provider's own model of this name. */
function narrow(table: Table, known: Entry | null, provider: string, model: string): Entry | null {
  const targets = known?.targets.filter((target) => target.provider.name === provider) ?? [];
  if (known !== null && targets.length > 0) return { ...known, targets };
  return table.resolve(`${provider}/${model}`);
}

function noProvider(config: Pick<Config, 'providers'>, name: string): GatewayError {
  const known = Object.keys(config.providers).join(', ');
  const message = `x-gateway-provider names ${quote(name)}; there are ${known}.`;
  return new GatewayError('invalid_request_error', message, { param: 'x-gateway-provider' });
}

function notAllowed(model: string): GatewayError {
  const message = `This API key may not use the model ${quote(model)}.`;
  return new GatewayError('insufficient_permissions', message, { param: 'model' });
}

function notFound(config: Pick<Config, 'providers'>, model: string): GatewayError {
  const message = `No route, alias or model is named ${quote(model)}. ${hint(config, model)}`;
  return new GatewayError('model_not_found', message, { param: 'model' });
}

const MAX_QUOTED = 100;

/** A caller's string, safe and short enough for an error message. */
function quote(value: string): string {
  return JSON.stringify(value.length > MAX_QUOTED ? `${value.slice(0, MAX_QUOTED)}…` : value);
}

function hint(config: Pick<Config, 'providers'>, model: string): string {
  const providers = Object.values(config.providers);
  const named = model.slice(0, Math.max(0, model.indexOf('/')));
  if (named !== '' && !providers.some(({ name }) => name === named)) {
    return `There is no provider ${quote(named)}; there are ${providers.map(({ name }) => name).join(', ')}.`;
  }
  const open = providers.find((provider) => Object.keys(provider.models).length === 0);
  if (open === undefined || model.includes('/')) return 'GET /v1/models lists what there is.';
  return `Address a provider's model as provider/model, for example ${quote(`${open.name}/${model}`)}.`;
}
