import type { Config } from '../config.js';
import { GatewayError } from '../errors.js';
import { type Sharing, unshared } from '../workers/sharing.js';
import { type Allowed, permitted } from './allowed.js';
import { type Availability, createAvailability } from './availability.js';
import { begin, choose, type Plan } from './choose.js';
import { costEstimator } from './estimate-cost.js';
import type { RequestFacts } from './facts.js';
import { createLearned, type Learned } from './learned.js';
import { createObserver, type Observer } from './observe.js';
import { createPolicies } from './policies.js';
import { buildTable, type Entry, type ListedModel, type Table, type Target } from './table.js';
import { noProvider, notAllowed, notFound } from './unknown-model.js';

/** Turns the `model` of a request into the targets that may answer it. */
export interface Router {
  /**
   * Where a model name leads; `defaultRoute` stands in for an unknown one. Throws `model_not_found` when it leads
   * nowhere, and `insufficient_permissions` when it leads, or may lead, past the routes that are allowed. With a
   * `provider`, only its targets are left; one that it does not name is looked for among that provider's models.
   */
  resolve(model: string, allowed: Allowed | null, provider?: string | null): Entry;
  /**
   * Where requests lead that are not routed by a model: to the provider the caller names, else to the configured
   * one; null when there is neither. Callers that are bound to routes, or by the policy of their key that keeps them
   * from some targets, have no such way: what is passed through names no model that could be judged.
   */
  passthrough(provider: string | null, allowed: Allowed | null, keyPolicy?: string | null): Entry | null;
  /**
   * Which targets to try for a request, and why not the others, at `now` (epoch ms). Changes nothing. Throws a
   * `GatewayError` 400 for a policy that is not configured.
   */
  plan(entry: Entry, facts: RequestFacts, now: number): Plan;
  /** The plan is carried out, right after it was made: turns are taken. A dry run leaves this out. */
  begin(plan: Plan, now: number): void;
  /** What the request will probably cost at a target, integer nano-USD, as `cheapest` sees it; null without a price. */
  estimate(plan: Plan, target: Target, now: number): number | null;
  /** Is told what became of requests. */
  readonly observe: Observer;
  /** What earlier requests have taught. */
  readonly learned: Learned;
  /** What a caller can name, as far as it may use it. */
  models(allowed: Allowed | null): readonly ListedModel[];
  /** What a caller means by this name, listed or a model's bare id; null when nothing is known by it. */
  model(id: string, allowed: Allowed | null): ListedModel | null;
  /** From now on the provider has these models, besides those that are declared. */
  discovered(provider: string, models: readonly string[]): void;
  readonly availability: Availability;
  /** Whether at least one provider, and one of its declared models, is free at `now` (epoch ms). */
  usable(now: number): boolean;
}

/** The parts of a configuration that decide where requests go. */
export type RouterConfig = Pick<Config, 'providers' | 'routes' | 'defaultRoute' | 'passthroughProvider'> &
  Partial<Pick<Config, 'keys' | 'policies'>>;

/** Builds the router of a configuration. `random` is from 0 to 1. With `sharing`, workers know the same of targets. */
export function createRouter(
  config: RouterConfig,
  random: () => number = Math.random,
  sharing: Sharing = unshared,
): Router {
  const lists = new Map<string, readonly string[]>();
  let table = buildTable(config);
  const policies = createPolicies(config);
  const learned = createLearned();
  const availability = createAvailability(config, sharing);

  function fallback(): Entry | null {
    return config.defaultRoute === null ? null : table.resolve(config.defaultRoute);
  }

  return {
    availability,
    learned,
    observe: createObserver(learned),
    plan(entry, facts, now) {
      const policy = policies.resolve(facts);
      return choose({ entry, facts, policy, availability, learned, now, random });
    },
    estimate: ({ entry, facts }, target, now) => costEstimator(entry, facts, learned, now)(target),
    begin: (plan, now) => begin(plan, { learned, now, random }),
    models(allowed) {
      const models = table.models();
      return allowed === null ? models : models.filter((listed) => isVisible(listed, allowed));
    },
    model(id, allowed) {
      const listed = table.model(id);
      return listed !== null && isVisible(listed, allowed) ? listed : null;
    },
    discovered(provider, models) {
      lists.set(provider, models);
      // Requests that are under way keep the targets of the table they began with.
      table = buildTable(config, lists);
    },
    usable(now) {
      return table
        .targets()
        .some((target) => availability.blocked(target.provider.name, target.id, now) === null);
    },
    resolve(model, allowed, provider = null) {
      const known = table.resolve(model) ?? (provider === null ? fallback() : null);
      const found = provider === null ? known : narrow(table, known, provider, model);
      const entry = found === null || allowed === null ? found : permitted(found, allowed);
      if (allowed !== null && entry === null) throw notAllowed(model);
      if (provider !== null && table.provider(provider) === null) throw noProvider(config, provider);
      if (entry === null) throw notFound(config, model);
      return entry;
    },
    passthrough(provider, allowed, keyPolicy = null) {
      const name = provider ?? config.passthroughProvider;
      if (name === null) return null;
      if (allowed !== null) {
        throw new GatewayError(
          'insufficient_permissions',
          'This API key may only use its routes and models.',
        );
      }
      if (policies.isBound(keyPolicy)) {
        const message = 'This API key may only use what its policy allows, so it has to name a model.';
        throw new GatewayError('insufficient_permissions', message);
      }
      const entry = table.provider(name);
      if (entry === null) throw noProvider(config, name);
      return entry;
    },
  };
}

function isVisible({ id, target }: ListedModel, allowed: Allowed | null): boolean {
  if (allowed === null) return true;
  return target === null ? allowed.has(id) : allowed.reaches?.(target) === true;
}

/** The targets of one provider among those a name leads to, else that provider's own model of this name. */
function narrow(table: Table, known: Entry | null, provider: string, model: string): Entry | null {
  const targets = known?.targets.filter((target) => target.provider.name === provider) ?? [];
  if (known !== null && targets.length > 0) return { ...known, targets };
  return table.resolve(`${provider}/${model}`);
}
