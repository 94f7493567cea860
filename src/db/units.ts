import { plus, type TOKEN_BUCKETS } from './sums.js';

/** Microseconds to milliseconds, to the microsecond. */
export function toMs(us: number | null): number | null {
  return us === null ? null : Math.round(us) / 1000;
}

/** Nano-USD to USD. */
export function toUsd(nano: number | null): number | null {
  return nano === null ? null : nano / 1e9;
}

/** The buckets by their public names, with the sums of those that are known. */
export function tokenCounts(buckets: Record<(typeof TOKEN_BUCKETS)[number], number | null>) {
  const input = plus(plus(buckets.inputUncachedTokens, buckets.cacheReadTokens), buckets.cacheWriteTokens);
  const output = plus(buckets.outputTextTokens, buckets.reasoningTokens);
  return {
    input_uncached_tokens: buckets.inputUncachedTokens,
    cache_read_tokens: buckets.cacheReadTokens,
    cache_write_tokens: buckets.cacheWriteTokens,
    output_text_tokens: buckets.outputTextTokens,
    reasoning_tokens: buckets.reasoningTokens,
    audio_tokens: buckets.audioTokens,
    input_tokens: input,
    output_tokens: output,
    total_tokens: plus(plus(input, output), buckets.audioTokens),
  };
}
