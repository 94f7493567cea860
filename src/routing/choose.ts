import type { Availability, Needs, Obstacle } from './availability.js';
import type { RequestFacts } from './facts.js';
import { sessionKey } from './keys.js';
import type { Learned } from './learned.js';
import { type StrategyName, type Tier, tiers } from './names.js';
import type { Policy, Refusal } from './policies.js';
import { cheapest } from './strategies/cheapest.js';
import { complexity } from './strategies/complexity.js';
import { fastest } from './strategies/fastest.js';
import { priority } from './strategies/priority.js';
import { roundRobin } from './strategies/round-robin.js';
import type { Situation, Strategy } from './strategies/strategy.js';
import { weighted } from './strategies/weighted.js';
import type { Entry, Target } from './table.js';
import { worstCase } from './worst-case.js';

/** Why a target is passed over: the words of the attempt rows. */
export type SkipReason = Refusal | 'price_unknown' | 'context_too_small' | 'tier_too_low' | Obstacle;

/** Reasons that hold for the request whenever it comes. */
const lasting: ReadonlySet<string> = new Set([
  'policy_denied',
  'price_ceiling',
  'price_unknown',
  'tier_too_low',
  'context_too_small',
  'limit_too_small',
]);

/** Whether waiting would be in vain. */
export function isLasting(reason: string): boolean {
  return lasting.has(reason);
}

/** A target that is not tried. */
export interface Skip {
  readonly target: Target;
  readonly reason: SkipReason;
  /** When the reason ends, epoch milliseconds; null when it does not, or when nobody knows. */
  readonly until: number | null;
  /** Where the reason comes from: a header, a key of the configuration, the breaker; null for the request itself. */
  readonly source: string | null;
}

/** Where a request is to go. */
export interface Plan {
  readonly entry: Entry;
  readonly facts: RequestFacts;
  readonly strategy: StrategyName;
  readonly policy: string | null;
  /** Complexity from 0 to 1; null when it played no part. */
  readonly score: number | null;
  /** The tier that was started at; null when tiers played no part. */
  readonly tier: Tier | null;
  /** The targets in the order in which to try them. */
  readonly candidates: readonly Target[];
  /** Those among which the strategy chose the first. */
  readonly pool: readonly Target[];
  readonly skips: readonly Skip[];
}

/** What a choice is made from. */
export interface Choice {
  readonly entry: Entry;
  readonly facts: RequestFacts;
  readonly policy: Policy | null;
  readonly availability: Pick<Availability, 'check'>;
  readonly learned: Learned;
  /** Epoch milliseconds. */
  readonly now: number;
  /** From 0 to 1, as `Math.random` gives it. */
  readonly random: () => number;
}

const strategies: Readonly<Record<StrategyName, Strategy>> = {
  priority,
  cheapest,
  fastest,
  'round-robin': roundRobin,
  weighted,
  complexity,
};

/**
 * Orders the targets of an entry for one request, and says why the others are passed over. Pure: the same arguments
 * give the same plan, and nothing is changed, so a plan need not be carried out.
 *
 * What the policy refuses, what has no price where it needs one, what surely cannot hold the request and what is below the tier is out; then what is not
 * available. The rest is ordered by the strategy in groups: the chosen tier before higher ones, and after all of them
 * those whose context is probably too small for the longest answer that was asked for.
 */
export function choose(choice: Choice): Plan {
  const { entry, facts, policy } = choice;
  const strategyName = policy?.strategy ?? entry.strategy ?? 'priority';
  const strategy = strategies[strategyName];
  const skips: Skip[] = [];
  const size = { input: facts.inputTokens, whole: facts.inputTokens + (facts.maxOutputTokens ?? 0) };
  const possible = entry.targets.filter((target) => isPossible(target, choice, size, skips));
  const asked = policy?.tier ?? strategy.tier?.(choice) ?? null;
  const floor = asked === null ? null : Math.min(tiers.indexOf(asked), highestTier(possible));
  const needs = { endpoint: facts.endpoint, tokens: size.whole };
  const usable = possible.filter((target) => isUsable(target, choice, floor, needs, skips));
  const { candidates, pool } = ordered(usable, strategy, choice, size, floor);
  return {
    entry,
    facts,
    strategy: strategyName,
    policy: policy?.name ?? null,
    score: strategyName === 'complexity' ? facts.complexity.score : null,
    tier: floor === null ? null : (tiers[floor] ?? null),
    candidates,
    pool,
    skips,
  };
}

/** Whether the target could answer the request at any time. */
function isPossible(target: Target, { facts, policy, now }: Choice, size: Size, skips: Skip[]): boolean {
  const refused = policy === null ? null : policy.refuses(target, { now, inputTokens: size.input });
  const reason = refused ?? unfit(target, facts, size, now);
  if (reason !== null) skips.push({ target, reason, until: null, source: null });
  return reason === null;
}

/** Whether it can answer now. `floor` is the lowest tier that will do; null: any. */
function isUsable(
  target: Target,
  { availability, now }: Choice,
  floor: number | null,
  needs: Needs,
  skips: Skip[],
): boolean {
  if (floor !== null && tierIndex(target) < floor) {
    skips.push({ target, reason: 'tier_too_low', until: null, source: null });
    return false;
  }
  const block = availability.check(target, now, needs);
  if (block === null) return true;
  skips.push({ target, reason: block.obstacle, until: block.until, source: block.source });
  return false;
}

/** The targets in the order in which to try them, and those among which the strategy chose the first. */
function ordered(
  usable: readonly Target[],
  strategy: Strategy,
  choice: Choice,
  size: Size,
  floor: number | null,
): Pick<Plan, 'candidates' | 'pool'> {
  // Most routes have one target, or one that is left: there is nothing to choose.
  if (usable.length < 2) return { candidates: usable, pool: usable };
  const groups = grouped(usable, (target) => {
    const tight = fits(target, size) === 'perhaps' ? tiers.length : 0;
    return tight + (floor === null ? 0 : tierIndex(target));
  });
  const candidates = keptSession(
    groups.flatMap((group) => strategy.order(group, choice)),
    choice,
  );
  const [first] = candidates;
  const pool = groups.find((group) => first !== undefined && group.includes(first)) ?? [];
  return { candidates, pool };
}

/** A plan is carried out: the strategy's next choice may be another. Must follow the choice at once, without a wait. */
export function begin(plan: Plan, situation: Omit<Situation, 'entry' | 'facts'>): void {
  const [first] = plan.candidates;
  if (first === undefined) return;
  const { entry, facts } = plan;
  strategies[plan.strategy].chosen?.(first, plan.pool, { ...situation, entry, facts });
}

/** Estimated tokens: of the question, and together with the longest answer that was asked for. */
interface Size {
  readonly input: number;
  readonly whole: number;
}

/** Fewer tokens than this part of the estimate a text does not have, but for rare exceptions. */
const SURE = 0.8;

function unfit(target: Target, facts: RequestFacts, size: Size, now: number): SkipReason | null {
  if (facts.pricedOnly && worstCase(target, facts, now) === null) return 'price_unknown';
  return fits(target, size) === 'never' ? 'context_too_small' : null;
}

/** Whether the declared context can hold the request: the question for sure, or with the answer as well. */
function fits({ declared }: Target, size: Size): 'well' | 'perhaps' | 'never' {
  const context = declared?.context ?? null;
  if (context === null || size.whole <= context) return 'well';
  return size.input * SURE > context ? 'never' : 'perhaps';
}

/** A model of which nothing is said is neither small nor outstanding. */
function tierIndex({ declared }: Target): number {
  return tiers.indexOf(declared?.tier ?? 'standard');
}

/** The best there is stands in for a tier that is not there at all. */
function highestTier(targets: readonly Target[]): number {
  return targets.reduce((highest, target) => Math.max(highest, tierIndex(target)), 0);
}

/** The targets by rank, the lowest first. */
function grouped(targets: readonly Target[], rank: (target: Target) => number): readonly Target[][] {
  const groups: Target[][] = [];
  for (const target of targets) {
    const at = rank(target);
    const group = groups[at];
    if (group === undefined) groups[at] = [target];
    else group.push(target);
  }
  return groups.filter((group) => group !== undefined);
}

/** On a sticky route the target that answered the session last comes first, while it is a candidate. */
function keptSession(candidates: readonly Target[], { entry, facts, learned }: Choice): readonly Target[] {
  const session = entry.sticky ? sessionKey(entry, facts) : null;
  const kept = session === null ? undefined : learned.sessions.get(session);
  const target = kept === undefined ? undefined : candidates.find(({ id }) => id === kept);
  if (target === undefined || target === candidates[0]) return candidates;
  return [target, ...candidates.filter((candidate) => candidate !== target)];
}
