import { type Exchange, skipAttempt } from '../exchange.js';
import type { Needs, Permit } from '../routing/availability.js';
import { isLasting, type Plan, type Skip } from '../routing/choose.js';
import type { RequestFacts } from '../routing/facts.js';
import type { Unserved } from '../routing/queue.js';
import type { Router } from '../routing/router.js';
import type { Target } from '../routing/table.js';
import type { Progress } from './progress.js';

/** A target that may be asked, and the right to do so. */
export interface Picked {
  target: Target;
  permit: Permit;
}

/** There is none. */
export interface Refused {
  plan: Plan;
  /** Why each target was passed over, but for those that were tried. */
  skips: readonly Skip[];
  /** Whether what could be asked was tried already, and may be tried again. */
  exhausted: boolean;
  /** When one of the targets may be free, epoch milliseconds; null when that is not known. */
  retryAt: number | null;
  /** Why the exchange does not wait for that in its route's queue; null when there is none, or when waiting is vain. */
  queue: Unserved | null;
}

/** Rows of skipped targets in one record; a route may have hundreds. */
const MAX_SKIPS = 64;

/** What a request takes of its target's limits. */
export function needsOf({ endpoint, inputTokens, maxOutputTokens }: RequestFacts): Needs {
  return { endpoint, tokens: inputTokens + (maxOutputTokens ?? 0) };
}

/**
 * Chooses the next target, and takes its permit in the same breath, so that no limit is passed by two requests at
 * once. Writes into the record why others were passed over. `beside` is being asked already.
 */
export function pick(
  router: Router,
  progress: Progress,
  now: number,
  beside: Target | null = null,
): Picked | Refused {
  const { entry, facts, exchange } = progress;
  const plan = router.plan(entry, facts, now);
  const needs = needsOf(facts);
  const { skips, busy } = passedOver(progress, plan);
  let untried = 0;
  let again = busy;
  noteChoice(exchange, plan);
  for (const target of plan.candidates) {
    if (target === beside || !progress.isLeft(target.id)) continue;
    if (isTooSmall(target, progress.largerThan)) {
      skips.push(tooSmall(target));
      continue;
    }
    if (progress.isTried(target.id)) {
      again = true;
      continue;
    }
    untried++;
    const permit = router.availability.reserve(target, now, needs);
    if ('settle' in permit) {
      if (target === plan.candidates[0]) router.begin(plan, now);
      noteSkips(progress, plan, skips, target);
      progress.send(target.id);
      return { target, permit };
    }
    skips.push({ target, reason: permit.obstacle, until: permit.until, source: permit.source });
  }
  noteSkips(progress, plan, skips, null);
  const exhausted = untried === 0 && again;
  return { plan, skips, exhausted, retryAt: earliest(skips), queue: null };
}

/** Why the plan's other targets are out; `busy` is one that was tried and could be tried again but for its slots. */
function passedOver(progress: Progress, { skips: planned }: Plan): { skips: Skip[]; busy: boolean } {
  const skips: Skip[] = [];
  let busy = false;
  for (const skip of planned) {
    const { target, until } = skip;
    // What will not be asked any more is not waited for.
    if (!progress.isLeft(target.id)) continue;
    if (isTooSmall(target, progress.largerThan)) skips.push(tooSmall(target));
    // That its slots are taken just now does not say that it is not to be tried again.
    else if (until === null && progress.isTried(target.id)) busy = true;
    else skips.push(skip);
  }
  return { skips, busy };
}

function tooSmall(target: Target): Skip {
  return { target, reason: 'context_too_small', until: null, source: null };
}

/** What `pick` would find, without taking anything. */
export function look(router: Router, { entry, facts }: Progress, now: number): Refused {
  const plan = router.plan(entry, facts, now);
  return { plan, skips: plan.skips, exhausted: false, retryAt: earliest(plan.skips), queue: null };
}

/**
 * What the exchange can wait for, as a name: only those that wait for the same stand in one line, because nobody is to
 * wait behind a request that has no use for what is free.
 */
export function lane(router: Router, progress: Progress, now: number): string {
  const { entry, facts, largerThan } = progress;
  const out = new Set<Target>();
  for (const { target, reason } of router.plan(entry, facts, now).skips) {
    if (isLasting(reason)) out.add(target);
  }
  const left = entry.targets.filter(
    (target) =>
      !out.has(target) &&
      !progress.isTried(target.id) &&
      progress.isLeft(target.id) &&
      !isTooSmall(target, largerThan),
  );
  return [facts.endpoint, ...left.map(({ id }) => id)].join(' ');
}

function noteChoice(exchange: Exchange, plan: Plan): void {
  exchange.strategy = plan.entry.route === null && plan.policy === null ? null : plan.strategy;
  exchange.policy = plan.policy;
  exchange.complexity = plan.score;
  exchange.tier = plan.tier;
}

/** In the order of priorities, what stands behind the chosen target was never looked at. */
function noteSkips(progress: Progress, plan: Plan, skips: readonly Skip[], chosen: Target | null): void {
  if (skips.length === 0) return;
  const { exchange, entry } = progress;
  const end = chosen === null || plan.strategy !== 'priority' ? undefined : entry.targets.indexOf(chosen);
  const before = new Set(entry.targets.slice(0, end));
  for (const { target, reason } of skips) {
    const key = `${target.id} ${reason}`;
    // How a try ended says already why there is no second one.
    if (!before.has(target) || progress.wasSent(target.id) || !progress.isNews(key, MAX_SKIPS)) continue;
    skipAttempt(exchange, target.provider.name, target.model, reason);
  }
}

function isTooSmall({ declared }: Target, largerThan: number | null): boolean {
  return largerThan !== null && (declared?.context ?? 0) <= largerThan;
}

function earliest(skips: readonly Skip[]): number | null {
  let first: number | null = null;
  for (const { until } of skips) if (until !== null && (first === null || until < first)) first = until;
  return first;
}
