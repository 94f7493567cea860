import type { Config, PolicyConfig } from '../config.js';
import { GatewayError } from '../errors.js';
import type { RequestFacts } from './facts.js';
import type { StrategyName, Tier } from './names.js';
import { foldText, globMatcher, keywordMatcher, type Matcher } from './patterns.js';
import type { Target } from './table.js';

/** Why a policy keeps a request from a target. */
export type Refusal = 'policy_denied' | 'price_ceiling';

/** What the policies of one request come to. */
export interface Policy {
  readonly name: string;
  /** Null: the route's. */
  readonly strategy: StrategyName | null;
  /** The tier to start at; null: what the strategy says. */
  readonly tier: Tier | null;
  /** Why a target must not be used; null when it may. */
  refuses(target: Target): Refusal | null;
}

/** Finds the policy of a request. */
export interface Policies {
  /**
   * The policy the client names, else that of its key, else the first with a keyword in the last user message; null
   * when there is none. What the key's own policy forbids stays forbidden under every other. Throws a
   * `GatewayError` 400 for a name that is not configured.
   */
  resolve(facts: RequestFacts): Policy | null;
}

/** Compiles the policies once. */
export function createPolicies(config: Partial<Pick<Config, 'keys' | 'policies'>>): Policies {
  const policies = new Map<string, Policy>();
  const worded: { policy: Policy; words: readonly Matcher[] }[] = [];
  const byKey = new Map<string, Policy>();
  for (const options of Object.values(config.policies ?? {})) {
    const policy = compile(options);
    policies.set(policy.name, policy);
    if (options.keywords.length > 0) worded.push({ policy, words: options.keywords.map(keywordMatcher) });
  }
  for (const { name, policy } of config.keys ?? []) {
    const own = policy === null ? undefined : policies.get(policy);
    if (own !== undefined) byKey.set(name, own);
  }

  function named(name: string): Policy {
    const found = policies.get(name);
    if (found !== undefined) return found;
    const message = `No policy is named ${JSON.stringify(name.slice(0, 100))}.`;
    throw new GatewayError('invalid_request_error', message, { param: 'x-gateway-policy' });
  }

  /** Keys of the configuration are checked when it is read. One that is stored may be older than the policies. */
  function ownOf({ caller, keyPolicy }: RequestFacts): Policy | undefined {
    if (keyPolicy === null) return caller === null ? undefined : byKey.get(caller);
    const own = policies.get(keyPolicy);
    if (own !== undefined) return own;
    const message = `This API key is bound to the policy ${JSON.stringify(keyPolicy)}, which is not configured.`;
    throw new GatewayError('insufficient_permissions', message);
  }

  function byKeyword({ lastUserText }: RequestFacts): Policy | null {
    if (worded.length === 0 || lastUserText === '') return null;
    const text = foldText(lastUserText);
    return worded.find(({ words }) => words.some((isIn) => isIn(text)))?.policy ?? null;
  }

  return {
    resolve(facts) {
      const own = ownOf(facts);
      if (facts.policy === null) return own ?? byKeyword(facts);
      const asked = named(facts.policy);
      return own === undefined || own === asked ? asked : within(asked, own);
    },
  };
}

/** What the client asks for, inside what its key allows. */
function within(asked: Policy, own: Policy): Policy {
  return {
    name: asked.name,
    strategy: asked.strategy ?? own.strategy,
    tier: asked.tier ?? own.tier,
    refuses: (target) => own.refuses(target) ?? asked.refuses(target),
  };
}

function compile(options: PolicyConfig): Policy {
  const allowed = options.allow?.map(globMatcher) ?? null;
  const denied = options.deny.map(globMatcher);
  // Targets live as long as the table that holds them; what they come to never changes.
  const known = new WeakMap<Target, { refusal: Refusal | null }>();

  function judge(target: Target): Refusal | null {
    const matches = (matcher: Matcher) => matcher(target.id);
    if (denied.some(matches) || allowed?.some(matches) === false) return 'policy_denied';
    return isTooDear(target, options.maxPrice) ? 'price_ceiling' : null;
  }

  return {
    name: options.name,
    strategy: options.strategy,
    tier: options.tier,
    refuses(target) {
      let verdict = known.get(target);
      if (verdict === undefined) {
        verdict = { refusal: judge(target) };
        known.set(target, verdict);
      }
      return verdict.refusal;
    },
  };
}

/** An unknown price is above every ceiling. */
function isTooDear({ declared }: Target, ceiling: PolicyConfig['maxPrice']): boolean {
  const price = declared?.price ?? null;
  for (const kind of ['input', 'output'] as const) {
    const most = ceiling[kind];
    if (most !== null && (price?.[kind] ?? Number.POSITIVE_INFINITY) > most) return true;
  }
  return false;
}
