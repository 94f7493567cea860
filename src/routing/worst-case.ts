import type { Rates } from '../config/types.js';

import { priceOf } from '../prices/price-of.js';
import { isFlat, ratesFor } from '../upstream/price.js';
import { hasOutput } from './estimate-cost.js';
import type { RequestFacts } from './facts.js';
import type { Target } from './table.js';

/** The most that a request is to cost at one target, integer nano-USD. */
export interface WorstCase {
  /** With the longest answer. */
  readonly whole: number;
  /** Without any answer: what was read is billed, also when nobody waits for the answer any more. */
  readonly question: number;
}

/** How long an answer may get when neither the request, nor the model, nor its context sets a bound, in tokens. */
export const LONGEST_ANSWER = 4096;

/** The tier of a price is that of a question longer than estimated by this factor: its estimate may be short. */
const TIER_MARGIN = 1.5;

/**
 * The question at its dearest, cached or not, and the longest answer that was asked for, or that the model can give, so
 * many times as the request asks for. Null without a price of all that matters. `scale` is how many tokens the target
 * counts for an estimated one; `now` is epoch milliseconds.
 */
export function worstCase(target: Target, facts: RequestFacts, now: number, scale = 1): WorstCase | null {
  const price = priceOf(target, now)?.price ?? null;
  if (price === null) return null;
  const fee = price.request ?? 0;
  // A target that counts less than was estimated need not do so again.
  const input = facts.inputTokens * Math.max(1, scale);
  const rates = ratesFor(price, input * TIER_MARGIN);
  if (isFlat(price)) return { whole: fee, question: fee };
  if (rates.input === null || (hasOutput(facts) && rates.output === null)) return null;
  const perInput = dearest(rates.input, rates.cachedInput, rates.cacheWrite, rates.audioInput);
  const perOutput = hasOutput(facts) ? dearest(rates.output, rates.reasoning, rates.audioOutput) : 0;
  const question = nano(input * perInput) + fee;
  return { question, whole: question + nano(longestAnswer(target, facts) * facts.choices * perOutput) };
}

function longestAnswer({ declared }: Target, { maxOutputTokens, inputTokens }: RequestFacts): number {
  const model = declared?.maxOutput ?? null;
  if (maxOutputTokens !== null) return Math.min(maxOutputTokens, model ?? maxOutputTokens);
  if (model !== null) return model;
  const context = declared?.context ?? null;
  return context === null ? LONGEST_ANSWER : Math.min(LONGEST_ANSWER, Math.max(0, context - inputTokens));
}

function dearest(first: Rate, second: Rate, third: Rate, fourth: Rate = null): number {
  return Math.max(first ?? 0, second ?? 0, third ?? 0, fourth ?? 0);
}

type Rate = Rates[keyof Rates];

/** From nano-USD for a million tokens, rounded up. */
function nano(sum: number): number {
  return Math.ceil(sum / 1_000_000);
}
