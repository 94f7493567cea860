import type { RequestFacts } from './facts.js';
import { outputKind } from './keys.js';
import type { Learned } from './learned.js';
import type { Entry, Target } from './table.js';

/** Endpoints whose answer is not made of tokens. */
const withoutOutput = new Set(['embeddings', 'moderations']);

/** Whether tokens are generated. */
export function hasOutput({ endpoint }: RequestFacts): boolean {
  return !withoutOutput.has(endpoint);
}

/**
 * What a request will probably cost at a target, in integer nano-USD; null without a price. The tokens of its text,
 * corrected by how this target has counted so far, and the answer to expect on this route, but no longer than was asked
 * for.
 */
export function costEstimator(
  entry: Entry,
  facts: RequestFacts,
  { amounts }: Pick<Learned, 'amounts'>,
): (target: Target) => number | null {
  const { inputTokens } = facts;
  const generates = hasOutput(facts);
  const most = facts.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  const output = amounts.output(outputKind(entry, facts), inputTokens);
  return ({ id, declared }) => {
    const price = declared?.price ?? null;
    if (price === null || price.input === null || (generates && price.output === null)) return null;
    const { scale, cachedShare } = amounts.input(id);
    const perInput = price.input + ((price.cachedInput ?? price.input) - price.input) * cachedShare;
    const answer = generates ? Math.min(output(id), most) * (price.output ?? 0) : 0;
    return Math.round((inputTokens * scale * perInput + answer) / 1_000_000) + (price.request ?? 0);
  };
}
