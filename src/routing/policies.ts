import type { Config, PolicyConfig } from '../config.js';
import { GatewayError } from '../errors.js';
import { priceOf } from '../prices/price-of.js';
import { ratesFor } from '../upstream/price.js';
import type { RequestFacts } from './facts.js';
import type { StrategyName, Tier } from './names.js';
import { foldText, globMatcher, keywordMatcher, type Matcher } from './patterns.js';
import type { Target } from './table.js';

/** Why a policy keeps a request from a target. */
export type Refusal = 'policy_denied' | 'price_ceiling';

/** What the price of a request depends on. */
interface Size {
  /** Epoch milliseconds. */
  readonly now: number;
  /** Estimated. */
  readonly inputTokens: number;
}

/** What the policies of one request come to. */
export interface Policy {
  readonly name: string;
  /** Null: the route's. */
  readonly strategy: StrategyName | null;
  /** The tier to start at; null: what the strategy says. */
  readonly tier: Tier | null;
  /** Whether there may be targets that it refuses. */
  readonly isRestrictive: boolean;
  /** Why a target must not be used; null when it may. */
  refuses(target: Target, request: Size): Refusal | null;
}

/** Finds the policy of a request. */
export interface Policies {
  /**
   * The policy the client names, else that of its key, else the first with a keyword in the last user message; null
   * when there is none. What the key's own policy forbids stays forbidden under every other. Throws a
   * `GatewayError` 400 for a name that is not configured.
   */
  resolve(facts: RequestFacts): Policy | null;
  /** Whether the policy that a key has, by the policy's name, keeps it from some targets. */
  isBound(name: string | null): boolean;
}

/** Compiles the policies once. */
export function createPolicies(config: Partial<Pick<Config, 'policies'>>): Policies {
  const policies = new Map<string, Policy>();
  const worded: { policy: Policy; words: readonly Matcher[] }[] = [];
  for (const options of Object.values(config.policies ?? {})) {
    const policy = compile(options);
    policies.set(policy.name, policy);
    if (options.keywords.length > 0) worded.push({ policy, words: options.keywords.map(keywordMatcher) });
  }

  function named(name: string): Policy {
    const found = policies.get(name);
    if (found !== undefined) return found;
    const message = `No policy is named ${JSON.stringify(name.slice(0, 100))}.`;
    throw new GatewayError('invalid_request_error', message, { param: 'x-gateway-policy' });
  }

  /** Keys of the configuration are checked when it is read. One that is stored may be older than the policies. */
  function ownOf({ keyPolicy }: RequestFacts): Policy | undefined {
    if (keyPolicy === null) return undefined;
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
    isBound: (name) => name !== null && (policies.get(name)?.isRestrictive ?? true),
    resolve(facts) {
      const own = ownOf(facts);
      if (facts.policy === null) return own ?? byKeyword(facts);
      const asked = named(facts.policy);
      return own === undefined || own === asked ? asked : within(asked, own);
    },
  };
}

/** Whether some targets are out. */
function isNarrow({ allow, deny, maxPrice }: PolicyConfig): boolean {
  return allow !== null || deny.length > 0 || maxPrice.input !== null || maxPrice.output !== null;
}

/** What the client asks for, inside what its key allows. */
function within(asked: Policy, own: Policy): Policy {
  return {
    name: asked.name,
    strategy: asked.strategy ?? own.strategy,
    tier: asked.tier ?? own.tier,
    isRestrictive: own.isRestrictive || asked.isRestrictive,
    refuses: (target, size) => own.refuses(target, size) ?? asked.refuses(target, size),
  };
}

function compile(options: PolicyConfig): Policy {
  const allowed = options.allow?.map(globMatcher) ?? null;
  const denied = options.deny.map(globMatcher);
  // Targets live as long as the table that holds them, and keep their names. Their prices may change.
  const known = new WeakMap<Target, boolean>();

  function isDenied(target: Target): boolean {
    const matches = (matcher: Matcher) => matcher(target.id);
    return denied.some(matches) || allowed?.some(matches) === false;
  }

  return {
    name: options.name,
    strategy: options.strategy,
    tier: options.tier,
    isRestrictive: isNarrow(options),
    refuses(target, size) {
      let isOut = known.get(target);
      if (isOut === undefined) {
        isOut = isDenied(target);
        known.set(target, isOut);
      }
      if (isOut) return 'policy_denied';
      return isTooDear(target, options.maxPrice, size) ? 'price_ceiling' : null;
    },
  };
}

/** An unknown price is above every ceiling. */
function isTooDear(target: Target, ceiling: PolicyConfig['maxPrice'], { now, inputTokens }: Size): boolean {
  if (ceiling.input === null && ceiling.output === null) return false;
  const price = priceOf(target, now)?.price;
  const rates = price === undefined ? null : ratesFor(price, inputTokens);
  for (const kind of ['input', 'output'] as const) {
    const most = ceiling[kind];
    if (most !== null && (rates?.[kind] ?? Number.POSITIVE_INFINITY) > most) return true;
  }
  return false;
}
