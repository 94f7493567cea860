import type { Plan } from './choose.js';
import type { RequestFacts } from './facts.js';
import { speedKind } from './keys.js';
import type { Router } from './router.js';
import type { Entry, Target } from './table.js';
import { worstCase } from './worst-case.js';

/** What `POST /explain` answers: where a request would go and why, in JSON. Unknown is null. */
export interface Explanation {
  endpoint: string;
  route: string | null;
  strategy: string;
  policy: string | null;
  complexity: number | null;
  tier: string | null;
  /** Estimates, in tokens. */
  input_tokens: number;
  max_output_tokens: number | null;
  /** In the order in which they would be tried. */
  candidates: ExplainedTarget[];
  skips: (ExplainedTarget & { reason: string; until: string | null; source: string | null })[];
}

interface ExplainedTarget {
  provider: string;
  model: string;
  tier: string | null;
  context: number | null;
  estimated_cost_usd: number | null;
  /** What a budget would have to hold for it. */
  worst_case_cost_usd: number | null;
  /** What is expected of the first content now, as `fastest` sees it. */
  expected_first_content_ms: number | null;
}

const NANO = 1e9;

/**
 * The plan for a request, by the same code that routes it. Nothing is sent and no counter moves. Throws what planning
 * throws.
 */
export function explain(router: Router, entry: Entry, facts: RequestFacts, now: number): Explanation {
  const plan = router.plan(entry, facts, now);
  const expected = router.learned.speeds.expected(speedKind(facts), now);

  function describe(target: Target): ExplainedTarget {
    const cost = router.estimate(plan, target, now);
    const most = worstCase(target, facts, now, router.learned.amounts.input(target.id).scale);
    const ms = expected(target.id);
    return {
      provider: target.provider.name,
      model: target.model,
      tier: target.declared?.tier ?? null,
      context: target.declared?.context ?? null,
      estimated_cost_usd: cost === null ? null : cost / NANO,
      worst_case_cost_usd: most === null ? null : most.whole / NANO,
      expected_first_content_ms: ms > 0 && Number.isFinite(ms) ? Math.round(ms) : null,
    };
  }

  return {
    endpoint: `/v1/${facts.endpoint}`,
    route: entry.route,
    ...choiceOf(plan),
    input_tokens: facts.inputTokens,
    max_output_tokens: facts.maxOutputTokens,
    candidates: plan.candidates.map(describe),
    skips: plan.skips.map(({ target, reason, until, source }) => ({
      ...describe(target),
      reason,
      until: until === null ? null : new Date(until).toISOString(),
      source,
    })),
  };
}

function choiceOf({ strategy, policy, score, tier }: Plan) {
  return { strategy, policy, complexity: score, tier };
}
