import type { Config } from '../config.js';
import { GatewayError } from '../errors.js';
import { type Availability, createAvailability } from './availability.js';
import { buildTable, type Entry, type ListedModel } from './table.js';

/** The only routes a caller may use; null means that it may use everything. */
type Allowed = ReadonlySet<string> | null;

/** Turns the `model` of a request into the targets that may answer it. */
export interface Router {
  /**
   * Where a model name leads; `defaultRoute` stands in for an unknown one. Throws `model_not_found` when it leads
   * nowhere, and `insufficient_permissions` when it leads, or may lead, past the routes that are allowed.
   */
  resolve(model: string, allowed: Allowed): Entry;
  /** What a caller can name. One that is bound to routes sees nothing else. */
  models(allowed: Allowed): readonly ListedModel[];
  readonly availability: Availability;
  /** Whether at least one provider, and one of its declared models, is free at `now` (epoch ms). */
  usable(now: number): boolean;
}

/** Builds the router of a configuration. */
export function createRouter(config: Pick<Config, 'providers' | 'routes' | 'defaultRoute'>): Router {
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
    resolve(model, allowed) {
      const entry = table.resolve(model) ?? fallback;
      if (allowed !== null && (entry?.route == null || !allowed.has(entry.route))) throw notAllowed(model);
      if (entry === null) throw notFound(config, model);
      return entry;
    },
  };
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
