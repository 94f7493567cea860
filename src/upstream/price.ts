import type { Price, Rates } from '../config.js';
import type { Usage } from '../stream/usage.js';

const MILLION = 1_000_000;

/**
 * What the usage costs at a price, in integer nano-USD. Null when it cannot be known: no price, no usage, a usage
 * without its input, or tokens of a kind that has no price. Cached tokens without a price of their own cost as
 * input, reasoning as output. Exact up to the last rounding, for any cost below 9 million USD.
 */
export function costNano(usage: Usage | null, price: Price | null): number | null {
  if (usage === null || price === null || usage.inputUncached === null) return null;
  const rates = ratesFor(price, inputTokens(usage));
  const parts: [tokens: number | null, perMillion: number | null][] = [
    [usage.inputUncached, rates.input],
    [usage.cacheRead, rates.cachedInput ?? rates.input],
    [usage.cacheWrite, rates.cacheWrite ?? rates.input],
    [usage.audioInput, rates.audioInput],
    [usage.outputText, rates.output],
    [usage.reasoning, rates.reasoning ?? rates.output],
    [usage.audioOutput, rates.audioOutput],
  ];
  let whole = 0;
  let millionths = 0;
  for (const [tokens, perMillion] of parts) {
    if (tokens === null || tokens === 0) continue;
    if (perMillion === null) return null;
    // In two parts, because their product alone may be beyond what is exact.
    whole += Math.floor(perMillion / MILLION) * tokens;
    millionths += (perMillion % MILLION) * tokens;
  }
  return whole + Math.round(millionths / MILLION) + (price.request ?? 0);
}

/** What tokens cost in a request with so many input tokens. */
export function ratesFor(price: Price, inputTokens: number): Rates {
  let rates: Rates = price;
  for (const tier of price.tiers) if (inputTokens > tier.above) rates = tier;
  return rates;
}

function inputTokens({ inputUncached, cacheRead, cacheWrite, audioInput }: Usage): number {
  return (inputUncached ?? 0) + (cacheRead ?? 0) + (cacheWrite ?? 0) + (audioInput ?? 0);
}
