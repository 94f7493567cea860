import type { Price } from '../config.js';
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

/**
 * The question at its dearest, cached or not, and the longest answer that was asked for, or that the model can give, so
 * many times as the request asks for. Null without a price of all that matters. `scale` is how many tokens the target
 * counts for an estimated one.
 */
export function worstCase(target: Target, facts: RequestFacts, scale = 1): WorstCase | null {
  const price = target.declared?.price ?? null;
  if (price === null) return null;
  const fee = price.request ?? 0;
  if (price.input === null && price.output === null) {
    return price.request === null ? null : { whole: fee, question: fee };
  }
  if (price.input === null || (hasOutput(facts) && price.output === null)) return null;
  const perInput = dearest(price, ['input', 'cachedInput', 'cacheWrite']);
  const perOutput = hasOutput(facts) ? dearest(price, ['output', 'reasoning']) : 0;
  // A target that counts less than was estimated need not do so again.
  const input = facts.inputTokens * Math.max(1, scale);
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

function dearest(price: Price, kinds: readonly (keyof Price)[]): number {
  return Math.max(...kinds.map((kind) => price[kind] ?? 0));
}

/** From nano-USD for a million tokens, rounded up. */
function nano(sum: number): number {
  return Math.ceil(sum / 1_000_000);
}
