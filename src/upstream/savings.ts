import type { Exchange } from '../exchange.js';
import { priceOf } from '../prices/price-of.js';
import type { Target } from '../routing/table.js';
import { costNano } from './price.js';

/** Reasons for which a target could not have answered the request at any time. */
const INELIGIBLE = new Set(['policy_denied', 'price_ceiling', 'context_too_small', 'tier_too_low']);

/**
 * What the same usage would have cost at the dearest target that could have answered, integer nano-USD; null when there
 * was no choice, or when no other price is known. Targets passed over because they were busy or down count: they could.
 */
export function dearestCostNano(
  {
    usage,
    attempts,
    costNano: own,
    startedAt,
  }: Pick<Exchange, 'usage' | 'attempts' | 'costNano' | 'startedAt'>,
  targets: readonly Target[],
): number | null {
  if (own === null || targets.length < 2) return null;
  const out = new Set(
    attempts
      .filter(({ decision, reason }) => decision === 'skipped' && reason !== null && INELIGIBLE.has(reason))
      .map(({ provider, model }) => `${provider}/${model}`),
  );
  let dearest: number | null = null;
  for (const target of targets) {
    const cost = out.has(target.id) ? null : costNano(usage, priceOf(target, startedAt)?.price ?? null);
    if (cost !== null && (dearest === null || cost > dearest)) dearest = cost;
  }
  return dearest;
}
