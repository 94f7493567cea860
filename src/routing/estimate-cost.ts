import { priceOf } from '../prices/price-of.js';
import { isFlat, ratesFor } from '../upstream/price.js';
import type { RequestFacts } from './facts.js';
import { outputKind } from './keys.js';
import type { Learned } from './learned.js';
import type { Entry, Target } from './table.js';

/** Endpoints whose answer is not made of tokens. */
const withoutOutput = new Set(['embeddings', 'moderations', 'responses/input_tokens']);

/** Whether tokens are generated. */
export function hasOutput({ endpoint }: RequestFacts): boolean {
  return !withoutOutput.has(endpoint);
}

/**
 * What a request will probably cost at a target, in integer nano-USD; null without a price. The tokens of its text,
 * corrected by how this target has counted so far, and the answer to expect on this route, but no longer than was asked
 * for, at the prices of `now` (epoch ms).
 */
export function costEstimator(
  entry: Entry,
  facts: RequestFacts,
  { amounts }: Pick<Learned, 'amounts'>,
  now: number,
): (target: Target) => number | null {
  const { inputTokens } = facts;
  const generates = hasOutput(facts);
  const most = facts.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  const output = amounts.output(outputKind(entry, facts), inputTokens);
  return (target) => {
    const price = priceOf(target, now)?.price ?? null;
    if (price === null) return null;
    if (isFlat(price)) return price.request;
    const { scale, cachedShare } = amounts.input(target.id);
    const rates = ratesFor(price, inputTokens * scale);
    if (rates.input === null || (generates && rates.output === null)) return null;
    const perInput = rates.input + ((rates.cachedInput ?? rates.input) - rates.input) * cachedShare;
    const answer = generates ? Math.min(output(target.id), most) * (rates.output ?? 0) : 0;
    return Math.round((inputTokens * scale * perInput + answer) / 1_000_000) + (price.request ?? 0);
  };
}
