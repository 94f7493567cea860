import type { Price } from '../config.js';
import type { Usage } from '../stream/usage.js';

/**
 * What the usage costs at a price, in integer nano-USD. Null when it cannot be known: no price, no usage, a usage
 * without its input, or tokens of a kind that has no price. Cached tokens without a price of their own cost as
 * input, reasoning as output.
 */
export function costNano(usage: Usage | null, price: Price | null): number | null {
  if (usage === null || price === null || usage.inputUncached === null) return null;
  const parts: [tokens: number | null, perMillion: number | null][] = [
    [usage.inputUncached, price.input],
    [usage.cacheRead, price.cachedInput ?? price.input],
    [usage.cacheWrite, price.cacheWrite ?? price.input],
    [usage.outputText, price.output],
    [usage.reasoning, price.reasoning ?? price.output],
    [usage.audio, null],
  ];
  let sum = 0;
  for (const [tokens, perMillion] of parts) {
    if (tokens === null || tokens === 0) continue;
    if (perMillion === null) return null;
    sum += tokens * perMillion;
  }
  return Math.round(sum / 1_000_000) + (price.request ?? 0);
}
