import type { Config, ModelConfig, ProviderConfig } from '../config.js';

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
  /** The route's name; null when the name is a target's own. */
  readonly route: string | null;
  readonly strategy: string | null;
  readonly targets: readonly Target[];
}

/** One line of `GET /v1/models`. */
export interface ListedModel {
  id: string;
  ownedBy: string;
  isRoute: boolean;
}

/** Every name that leads somewhere. */
export interface Table {
  /** First match wins: route, alias, `provider/model`, declared model id; null when there is none. */
  resolve(model: string): Entry | null;
  /** The provider as a whole, for what is not routed by a model; null when there is no such provider. */
  provider(name: string): Entry | null;
  models(): readonly ListedModel[];
  /** Every declared or routed target, and one stand-in for each provider that takes any model. */
  targets(): readonly Target[];
}

/** Builds the table once; looking a name up costs a few map reads. */
export function buildTable(config: Pick<Config, 'providers' | 'routes'>): Table {
  const providers = new Map(Object.values(config.providers).map((provider) => [provider.name, provider]));
  const declared = new Map<string, Target>();
  const byModel = new Map<string, Target[]>();
  const byAlias = new Map<string, Target>();
  for (const provider of providers.values()) {
    for (const model of Object.values(provider.models)) {
      const target = { id: `${provider.name}/${model.id}`, provider, model: model.id, declared: model };
      declared.set(target.id, target);
      byModel.set(model.id, [...(byModel.get(model.id) ?? []), target]);
      if (model.alias !== null) byAlias.set(model.alias, target);
    }
  }
  const routes = new Map(Object.values(config.routes).map((route) => [route.name, routeEntry(route)]));

  function routeEntry(route: Config['routes'][string]): Entry {
    const targets = route.targets.map(addressed).filter((target) => target !== null);
    return { route: route.name, strategy: route.strategy, targets };
  }

  /** The target that `provider/model` names. A provider that declares no models takes any model id. */
  function addressed(id: string): Target | null {
    const known = declared.get(id);
    if (known !== undefined) return known;
    const slash = id.indexOf('/');
    const provider = slash > 0 ? providers.get(id.slice(0, slash)) : undefined;
    const model = id.slice(slash + 1);
    if (provider === undefined || model === '' || Object.keys(provider.models).length > 0) return null;
    return { id, provider, model, declared: null };
  }

  return {
    resolve(model) {
      const route = routes.get(model);
      if (route !== undefined) return route;
      const target = byAlias.get(model) ?? addressed(model);
      if (target !== null) return direct([target]);
      const targets = byModel.get(model);
      return targets === undefined ? null : direct(targets);
    },
    provider(name) {
      const provider = providers.get(name);
      return provider === undefined ? null : direct([wholeOf(provider)]);
    },
    targets() {
      const open = [...providers.values()].filter((provider) => Object.keys(provider.models).length === 0);
      const standIns = open.map(wholeOf);
      return [...declared.values(), ...[...routes.values()].flatMap((entry) => entry.targets), ...standIns];
    },
    models() {
      const listed: ListedModel[] = [...routes.keys()].map((id) => ({
        id,
        ownedBy: 'gateway',
        isRoute: true,
      }));
      for (const [id, target] of [...byAlias, ...declared]) {
        listed.push({ id, ownedBy: target.provider.name, isRoute: false });
      }
      return listed;
    },
  };
}

function wholeOf(provider: ProviderConfig): Target {
  return { id: `${provider.name}/${ANY_MODEL}`, provider, model: ANY_MODEL, declared: null };
}

function direct(targets: readonly Target[]): Entry {
  return { route: null, strategy: null, targets };
}
