import type { Price, Rates } from '../config.js';
import type { Usage } from '../stream/usage.js';

const MILLION = 1_000_000;

/**
 * What the usage costs at a price, in integer nano-USD. Null when it cannot be known: no price, no usage, a usage
 * without its input, or tokens of a kind that has no price. A price that has a fee for the request only is the cost. Cached tokens without a price of their own cost as
 * input, reasoning as output. Exact up to the last rounding, for any cost below 9 million USD.
 */
export function costNano(usage: Usage | null, price: Price | null): number | null {
  if (price === null) return null;
  if (isFlat(price)) return price.request;
  if (usage === null || usage.inputUncached === null) return null;
  const rates = ratesFor(price, inputTokens(usage));
  const sum: Sum = { whole: 0, millionths: 0, isKnown: true };
  add(sum, usage.inputUncached, rates.input);
  add(sum, usage.cacheRead, rates.cachedInput ?? rates.input);
  add(sum, usage.cacheWrite, rates.cacheWrite ?? rates.input);
  add(sum, usage.audioInput, rates.audioInput);
  add(sum, usage.outputText, rates.output);
  add(sum, usage.reasoning, rates.reasoning ?? rates.output);
  add(sum, usage.audioOutput, rates.audioOutput);
  if (!sum.isKnown) return null;
  return sum.whole + Math.round(sum.millionths / MILLION) + (price.request ?? 0);
}

/** Nano-USD in two parts, because the product of tokens and a rate alone may be beyond what is exact. */
interface Sum {
  whole: number;
  millionths: number;
  isKnown: boolean;
}

function add(sum: Sum, tokens: number | null, perMillion: number | null): void {
  if (tokens === null || tokens === 0) return;
  if (perMillion === null) {
    sum.isKnown = false;
    return;
  }
  sum.whole += Math.floor(perMillion / MILLION) * tokens;
  sum.millionths += (perMillion % MILLION) * tokens;
}

/** Whether a request costs the same whatever is in it: its fee is all that is configured. */
export function isFlat(price: Price): boolean {
  return (
    price.request !== null && price.tiers.length === 0 && rateKinds.every((kind) => price[kind] === null)
  );
}

const rateKinds: readonly (keyof Rates)[] = [
  'input',
  'output',
  'cachedInput',
  'cacheWrite',
  'reasoning',
  'audioInput',
  'audioOutput',
];

/** What tokens cost in a request with so many input tokens. */
export function ratesFor(price: Price, inputTokens: number): Rates {
  let rates: Rates = price;
  for (const tier of price.tiers) if (inputTokens > tier.above) rates = tier;
  return rates;
}

function inputTokens({ inputUncached, cacheRead, cacheWrite, audioInput }: Usage): number {
  return (inputUncached ?? 0) + (cacheRead ?? 0) + (cacheWrite ?? 0) + (audioInput ?? 0);
}
