import { defaultThresholds } from '../routing/complexity.js';
import { completeBudget } from './keys.js';
import { nanoUsd } from './prices.js';
import type { Path, Problems } from './problems.js';
import type { PolicyOptions, RouteOptions } from './schema.js';
import { timer } from './timer.js';
import type { HedgeConfig, PolicyConfig, QueueConfig, RouteConfig, ThresholdsConfig } from './types.js';

const QUEUE: QueueConfig = { maxWait: 30_000, maxSize: 100 };
const HEDGE: HedgeConfig = { delay: 'p95', maxShare: 0.1 };

/** The routes with their defaults filled in. */
export function completeRoutes(
  options: Readonly<Record<string, RouteOptions>> = {},
  problems: Problems,
): Record<string, RouteConfig> {
  const routes: Record<string, RouteConfig> = Object.create(null);
  for (const [name, route] of Object.entries(options)) {
    const path = ['routes', name];
    routes[name] = {
      name,
      strategy: route.strategy ?? 'priority',
      targets: route.targets,
      weights: Object.assign(Object.create(null), route.weights),
      sticky: route.sticky ?? false,
      complexity: thresholds(route.complexity, [...path, 'complexity'], problems),
      queue: queue(route.queue, [...path, 'queue'], problems),
      hedge: hedge(route.hedge, [...path, 'hedge'], problems),
      retries: route.retries ?? null,
      capture: route.capture ?? null,
      budget: completeBudget(route.budget),
    };
  }
  return routes;
}

function thresholds(given: RouteOptions['complexity'], path: Path, problems: Problems): ThresholdsConfig {
  const complete = { ...defaultThresholds, ...given };
  if (complete.standard > complete.frontier) {
    problems.add(path, `has standard (${complete.standard}) above frontier (${complete.frontier})`);
  }
  return complete;
}

function queue(given: RouteOptions['queue'], path: Path, problems: Problems): QueueConfig | null {
  if (given === undefined) return null;
  return {
    maxWait: timer(given.maxWait, QUEUE.maxWait, [...path, 'maxWait'], problems),
    maxSize: given.maxSize ?? QUEUE.maxSize,
  };
}

function hedge(given: RouteOptions['hedge'], path: Path, problems: Problems): HedgeConfig | null {
  if (given === undefined) return null;
  const { delay = HEDGE.delay, maxShare = HEDGE.maxShare } = given;
  return { delay: delay === 'p95' ? delay : timer(delay, 0, [...path, 'delay'], problems), maxShare };
}

/** The policies with their defaults filled in. */
export function completePolicies(
  options: Readonly<Record<string, PolicyOptions>> = {},
): Record<string, PolicyConfig> {
  const policies: Record<string, PolicyConfig> = Object.create(null);
  for (const [name, policy] of Object.entries(options)) {
    policies[name] = {
      name,
      keywords: policy.keywords ?? [],
      allow: policy.allow ?? null,
      deny: policy.deny ?? [],
      maxPrice: { input: nanoUsd(policy.maxPrice?.input), output: nanoUsd(policy.maxPrice?.output) },
      strategy: policy.strategy ?? null,
      tier: policy.tier ?? null,
    };
  }
  return policies;
}
