import { isRecord, recordOf } from './json.js';

/**
 * Token counts in disjoint buckets: no token is in two of them, so the total is their sum.
 * `null` means that the upstream did not say; it is never a zero.
 */
export interface Usage {
  /** Prompt tokens that were neither read from nor written to a cache. */
  inputUncached: number | null;
  cacheRead: number | null;
  cacheWrite: number | null;
  /** Visible answer tokens, without reasoning and audio. */
  outputText: number | null;
  reasoning: number | null;
  audioInput: number | null;
  audioOutput: number | null;
  /** What the provider itself says the exchange cost, in nano-USD. */
  providerCostNano: number | null;
}

type Fields = Record<string, unknown>;

const NANO = 1e9;
const TICKS = 1e10;

/**
 * The usage that a parsed JSON answer or a parsed stream event reports, null when it reports none. Total: what is
 * no plausible count is unknown, and nothing throws. An answer without completion tokens (embeddings) has
 * `outputText: null`.
 *
 * @example
 * readUsage({ usage: { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 4 }, completion_tokens: 3 } });
 * // inputUncached 6, cacheRead 4, outputText 3, the rest null
 */
export function readUsage(body: unknown): Usage | null {
  if (!isRecord(body)) return null;
  // Groq streams it under a key of its own, the responses API inside the response.
  const candidates = [body.usage, recordOf(body.response).usage, recordOf(body.x_groq).usage];
  for (const fields of candidates) {
    const usage = isRecord(fields) ? toUsage(fields) : null;
    if (usage) return usage;
  }
  return null;
}

/** Audio tokens, in and out together. */
export function audioTokens({ audioInput, audioOutput }: Usage): number | null {
  return audioInput === null && audioOutput === null ? null : (audioInput ?? 0) + (audioOutput ?? 0);
}

/** All tokens of question and answer. Null when the input is not known. */
export function totalTokens(usage: Usage): number | null {
  const { inputUncached, cacheRead, cacheWrite, outputText, reasoning, audioInput, audioOutput } = usage;
  if (inputUncached === null) return null;
  return [cacheRead, cacheWrite, outputText, reasoning, audioInput, audioOutput].reduce<number>(
    (sum, tokens) => sum + (tokens ?? 0),
    inputUncached,
  );
}

function toUsage(fields: Fields): Usage | null {
  const input = readInput(fields);
  const output = readOutput(fields);
  const usage: Usage = {
    inputUncached: input.text,
    cacheRead: input.cacheRead,
    cacheWrite: input.cacheWrite,
    outputText: output.text,
    reasoning: output.reasoning,
    audioInput: input.audio,
    audioOutput: output.audio,
    providerCostNano: providerCost(fields),
  };
  return Object.values(usage).every((value) => value === null) ? null : usage;
}

/** Cached, written and audio tokens are all part of `prompt_tokens`, so they come off it. */
function readInput(fields: Fields) {
  // Transcriptions spell the key in the singular.
  const details = firstRecord(
    fields.prompt_tokens_details,
    fields.input_tokens_details,
    fields.input_token_details,
  );
  const total = count(fields.prompt_tokens) ?? count(fields.input_tokens);
  const budget = allowance(total);
  const cacheRead = budget.take(count(details.cached_tokens) ?? count(fields.prompt_cache_hit_tokens));
  const cacheWrite = budget.take(count(details.cache_write_tokens));
  const audio = budget.take(count(details.audio_tokens));
  return { cacheRead, cacheWrite, audio, text: budget.rest() };
}

function readOutput(fields: Fields) {
  const details = firstRecord(fields.completion_tokens_details, fields.output_tokens_details);
  const reported = count(fields.completion_tokens) ?? count(fields.output_tokens);
  const thought = count(details.reasoning_tokens);
  const extra = reported === null ? 0 : reasoningOnTop(fields, reported, thought);
  const budget = allowance(reported === null ? null : reported + extra);
  const reasoning = budget.take(extra > 0 ? extra : thought);
  const audio = budget.take(count(details.audio_tokens));
  return { reasoning, audio, text: budget.rest() };
}

/**
 * Reasoning tokens that `completion_tokens` leave out. OpenAI counts them in; xAI reports them beside it and Gemini's
 * OpenAI endpoint in the total alone. `total_tokens` tells which it is.
 */
function reasoningOnTop(fields: Fields, output: number, thought: number | null): number {
  const input = count(fields.prompt_tokens) ?? count(fields.input_tokens);
  const total = count(fields.total_tokens);
  if (input === null || total === null) return 0;
  const surplus = total - input - output;
  return surplus > 0 && (thought === null || thought === surplus) ? surplus : 0;
}

/** Hands parts of a total out, so that the parts and the rest always add up to it. */
function allowance(total: number | null) {
  let left = total;
  return {
    take(part: number | null): number | null {
      if (part === null || left === null) return part;
      const taken = Math.min(part, left);
      left -= taken;
      return taken;
    },
    rest: () => left,
  };
}

function firstRecord(...values: unknown[]): Fields {
  return values.find(isRecord) ?? {};
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/**
 * What the provider says the exchange cost: `cost` (OpenRouter, a number; Perplexity, an object with `total_cost`),
 * `total_cost`, `estimated_cost` (DeepInfra), `cost_in_usd_ticks` (xAI, ten billionths of a dollar). With a key of
 * one's own OpenRouter's `cost` is its fee alone, and the model's provider charges for the rest.
 */
function providerCost(fields: Fields): number | null {
  const details = recordOf(fields.cost_details);
  const cost = nanoOf(fields.cost);
  if (cost !== null) {
    const elsewhere = fields.is_byok === true ? nanoOf(details.upstream_inference_cost) : null;
    return cost + (elsewhere ?? 0);
  }
  return (
    nanoOf(fields.total_cost) ??
    nanoOf(recordOf(fields.cost).total_cost) ??
    nanoOf(details.total_cost) ??
    nanoOf(fields.estimated_cost) ??
    nanoOf(fields.cost_in_usd_ticks, NANO / TICKS)
  );
}

function nanoOf(amount: unknown, nanoPerUnit = NANO): number | null {
  if (typeof amount !== 'number' || !(amount >= 0)) return null;
  const nano = Math.round(amount * nanoPerUnit);
  return Number.isSafeInteger(nano) ? nano : null;
}
