import { type GatewayOptions, parseConfig } from '../../src/config.js';
import type { Block } from '../../src/routing/availability.js';
import { choose, type Plan } from '../../src/routing/choose.js';
import { type RequestFacts, requestFacts } from '../../src/routing/facts.js';
import { createPolicies } from '../../src/routing/policies.js';
import { createRouter, type Router } from '../../src/routing/router.js';
import type { Entry, Target } from '../../src/routing/table.js';
import type { Usage } from '../../src/stream/usage.js';

type Models = NonNullable<NonNullable<GatewayOptions['providers']>[string]['models']>;

/** A router for one provider, `lab`, with these models. */
export function routerFor(
  models: Models,
  options: Omit<GatewayOptions, 'providers'>,
  random = () => 0,
): Router {
  const config = parseConfig({ providers: { lab: { type: 'ollama', models } }, ...options }, {});
  return createRouter(config, random);
}

/** Facts of a chat request; `text` is what its only message says. */
export function facts(text = 'Hello', more: Partial<Parameters<typeof requestFacts>[0]> = {}): RequestFacts {
  const { body, ...rest } = more;
  return requestFacts({
    endpoint: 'chat',
    body: { messages: [{ role: 'user', content: text }], ...body },
    bodyBytes: text.length,
    caller: null,
    session: null,
    policy: null,
    ...rest,
  });
}

/** The names of the models, in order. */
export function models(targets: readonly Target[]): string[] {
  return targets.map(({ model }) => model);
}

/** Plans and carries out so many requests on a route; the first choice of each. */
export function run(router: Router, route: string, times: number, request = facts(), now = 0): string[] {
  const entry = router.resolve(route, null);
  return Array.from({ length: times }, () => {
    const plan = router.plan(entry, request, now);
    router.begin(plan, now);
    return plan.candidates[0]?.model ?? 'nothing';
  });
}

/** A plan under blocks that the test makes up, by model. */
export function planWith(
  router: Router,
  route: string,
  request: RequestFacts,
  blocks: Record<string, Block>,
  options: Omit<GatewayOptions, 'providers'> = {},
): Plan {
  const entry = router.resolve(route, null);
  const policies = createPolicies(parseConfig({ providers: { lab: { type: 'ollama' } }, ...options }, {}));
  return choose({
    entry,
    facts: request,
    policy: policies.resolve(request),
    availability: { check: ({ id }) => blocks[id.slice('lab/'.length)] ?? null },
    learned: router.learned,
    now: 0,
    random: () => 0,
  });
}

/** The target of a route by its model. */
export function targetOf(entry: Entry, model: string): Target {
  const found = entry.targets.find((target) => target.model === model);
  if (found === undefined) throw new Error(`${entry.name} has no ${model}`);
  return found;
}

/** A usage of so many tokens. */
export function usage(input: number, output: number, cached = 0): Usage {
  return {
    inputUncached: input - cached,
    cacheRead: cached,
    cacheWrite: null,
    outputText: output,
    reasoning: null,
    audioInput: null,
    audioOutput: null,
    providerCostNano: null,
  };
}
