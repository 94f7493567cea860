import type { Config, ModelConfig, ProviderConfig, RouteConfig } from '../config.js';
import { defaultThresholds, type Thresholds } from './complexity.js';
import type { StrategyName } from './names.js';

/** A provider and one of its models. */
export interface Target {
  /** `provider/model`. */
  readonly id: string;
  readonly provider: ProviderConfig;
  readonly model: string;
  /** What the configuration declares about the model; null for a model it does not declare. */
  readonly declared: ModelConfig | null;
}

/** The model of a target that stands for a provider as a whole. */
const ANY_MODEL = '*';

/** A target's model as it is written down; null when nobody knows which one the provider will take. */
export function recordedModel({ model }: Target): string | null {
  return model === ANY_MODEL ? null : model;
}

/** Where a name that clients use as `model` leads. */
export interface Entry {
  /** The route's name, else the model id or the target that was named. */
  readonly name: string;
  /** The route's name; null when the name is a target's own. */
  readonly route: string | null;
  readonly strategy: StrategyName | null;
  readonly targets: readonly Target[];
  /** Relative shares for `weighted`, by target; 1 for those that are not in it. */
  readonly weights: ReadonlyMap<string, number>;
  /** Whether a session stays on the target that answered it. */
  readonly sticky: boolean;
  readonly thresholds: Thresholds;
}

/** One line of `GET /v1/models`. */
export interface ListedModel {
  id: string;
  ownedBy: string;
  /** `provider/model`; null for a route. */
  target: string | null;
}

/** Every name that leads somewhere. */
export interface Table {
  /** First match wins: route, alias, `provider/model`, declared or discovered model id; null when there is none. */
  resolve(model: string): Entry | null;
  /** The provider as a whole, for what is not routed by a model; null when there is no such provider. */
  provider(name: string): Entry | null;
  models(): readonly ListedModel[];
  /**
   * What is known by this name: a route, an alias, or a declared or discovered model, also by its bare id. Null for
   * what only a provider that takes any model would take: nobody knows whether it has it.
   */
  model(id: string): ListedModel | null;
  /** Every declared, discovered or routed target, and one stand-in for each provider that takes any model. */
  targets(): readonly Target[];
}

/** The models that providers have said they have, by the provider's name. */
export type Discovered = ReadonlyMap<string, readonly string[]>;

const noneDiscovered: Discovered = new Map();
const noWeights: ReadonlyMap<string, number> = new Map();

/** Builds the table once for each list of models; looking a name up costs a few map reads. */
export function buildTable(
  config: Pick<Config, 'providers' | 'routes'>,
  discovered: Discovered = noneDiscovered,
): Table {
  const providers = new Map(Object.values(config.providers).map((provider) => [provider.name, provider]));
  const known = new Map<string, Target>();
  const byModel = new Map<string, Target[]>();
  const byAlias = new Map<string, Target>();
  for (const provider of providers.values()) {
    for (const model of Object.values(provider.models)) {
      const target = learn(provider, model.id, model);
      if (model.alias !== null) byAlias.set(model.alias, target);
    }
    for (const id of discovered.get(provider.name) ?? []) {
      if (!known.has(`${provider.name}/${id}`)) learn(provider, id, null);
    }
  }
  const routes = new Map(Object.values(config.routes).map((route) => [route.name, routeEntry(route)]));

  function learn(provider: ProviderConfig, model: string, declared: ModelConfig | null): Target {
    const target = { id: `${provider.name}/${model}`, provider, model, declared };
    known.set(target.id, target);
    const same = byModel.get(model);
    if (same === undefined) byModel.set(model, [target]);
    else same.push(target);
    return target;
  }

  function routeEntry(route: RouteConfig): Entry {
    return {
      name: route.name,
      route: route.name,
      strategy: route.strategy,
      targets: route.targets.map((id) => known.get(id) ?? written(id)).filter((target) => target !== null),
      weights: new Map(Object.entries(route.weights)),
      sticky: route.sticky,
      thresholds: route.complexity,
    };
  }

  /** What `provider/model` names, whether the provider is known to have the model or not. */
  function written(id: string): Target | null {
    const slash = id.indexOf('/');
    const provider = slash > 0 ? providers.get(id.slice(0, slash)) : undefined;
    const model = id.slice(slash + 1);
    return provider === undefined || model === '' ? null : { id, provider, model, declared: null };
  }

  /** The target that a client names: only providers without any list of models take any model. */
  function addressed(id: string): Target | null {
    const target = known.get(id) ?? written(id);
    return target === null || known.has(id) || isOpen(target.provider) ? target : null;
  }

  return {
    resolve(model) {
      const route = routes.get(model);
      if (route !== undefined) return route;
      const target = byAlias.get(model) ?? addressed(model);
      if (target !== null) return direct(target.id, [target]);
      const targets = byModel.get(model);
      return targets === undefined ? null : direct(model, targets);
    },
    provider(name) {
      const provider = providers.get(name);
      return provider === undefined ? null : direct(provider.name, [wholeOf(provider)]);
    },
    targets() {
      const standIns = [...providers.values()].filter(isOpen).map(wholeOf);
      return [...known.values(), ...[...routes.values()].flatMap((entry) => entry.targets), ...standIns];
    },
    models: () => [
      ...[...routes.keys()].map(listedRoute),
      ...[...byAlias, ...known].map(([id, target]) => listedTarget(id, target)),
    ],
    model(id) {
      if (routes.has(id)) return listedRoute(id);
      const own = byAlias.get(id) ?? known.get(id);
      const target = own ?? (addressed(id) === null ? byModel.get(id)?.[0] : undefined);
      return target === undefined ? null : listedTarget(id, target);
    },
  };
}

function listedRoute(id: string): ListedModel {
  return { id, ownedBy: 'gateway', target: null };
}

function listedTarget(id: string, { id: target, provider }: Target): ListedModel {
  return { id, ownedBy: provider.name, target };
}

function wholeOf(provider: ProviderConfig): Target {
  return { id: `${provider.name}/${ANY_MODEL}`, provider, model: ANY_MODEL, declared: null };
}

/** A provider that is to say which models it has takes no others, also while it has said nothing yet. */
function isOpen({ models, discover }: ProviderConfig): boolean {
  return discover === null && Object.keys(models).length === 0;
}

function direct(name: string, targets: readonly Target[]): Entry {
  return {
    name,
    route: null,
    strategy: null,
    targets,
    weights: noWeights,
    sticky: false,
    thresholds: defaultThresholds,
  };
}
