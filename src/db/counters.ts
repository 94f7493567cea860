import type { Counters } from './answers.js';
import type { Cell } from './cell.js';
import { averageMs, errorRateOf, percentilesMs, share, speedOf } from './measures.js';
import { type Figure, figure } from './sums.js';
import { tokenCounts, toUsd } from './units.js';

const ANSWERED = 'answered';
/** How tries end that were stopped through no fault of the target. */
const STOPPED = new Set(['client_gone', 'shutdown', 'superseded', 'hedge_lost']);

/** What the API shows of a cell. */
export function countersOf(cell: Cell): Counters {
  const read = (name: Figure) => figure(cell.figures, name);
  const tokens = tokenCounts({
    inputUncachedTokens: read('inputUncachedTokens'),
    cacheReadTokens: read('cacheReadTokens'),
    cacheWriteTokens: read('cacheWriteTokens'),
    outputTextTokens: read('outputTextTokens'),
    reasoningTokens: read('reasoningTokens'),
    audioTokens: read('audioTokens'),
  });
  return {
    exchanges: read('exchanges') ?? 0,
    ok: read('ok') ?? 0,
    rejected: read('rejected') ?? 0,
    failed: read('failed') ?? 0,
    aborted: read('aborted') ?? 0,
    truncated: read('truncated') ?? 0,
    ...reasonsOf(cell),
    ...tokens,
    usage_known: read('usageKnown') ?? 0,
    cache_hit_share: share(tokens.cache_read_tokens, tokens.input_tokens),
    cost_usd: toUsd(read('costNano')),
    cost_known: read('costKnown') ?? 0,
    provider_cost_usd: toUsd(read('providerCostNano')),
    cost_difference_usd: toUsd(read('differenceNano')),
    cost_difference_known: read('differenceKnown') ?? 0,
    savings_usd: toUsd(read('savingsNano')),
    savings_known: read('savingsKnown') ?? 0,
    bytes_in: read('bytesIn'),
    bytes_out: read('bytesOut'),
    error_rate: errorRateOf(cell),
    tokens_per_second: speedOf(cell),
    total_ms: { mean: averageMs(cell), ...percentilesMs(cell, 'total') },
    first_content_ms: percentilesMs(cell, 'firstContent'),
  };
}

/** What is counted by reason: attempts, and exchanges without a complete answer. */
function reasonsOf({ counts }: Cell) {
  const endings = new Map<string, number>();
  const attempts = new Map<string, number>();
  const sums = { attempts: 0, skipped: 0, failed_attempts: 0 };
  for (const [name, times] of counts) {
    const slash = name.indexOf('/');
    const [what, reason] = [name.slice(0, slash), name.slice(slash + 1)];
    if (what === 'ok') continue;
    if (what === 'sent') {
      sums.attempts += times;
      if (reason === ANSWERED) continue;
      if (!STOPPED.has(reason)) sums.failed_attempts += times;
    }
    if (what === 'skipped') sums.skipped += times;
    add(what === 'sent' || what === 'skipped' ? attempts : endings, reason || 'unknown', times);
  }
  return { ...sums, attempt_reasons: mostFirst(attempts), end_reasons: mostFirst(endings) };
}

function add(reasons: Map<string, number>, reason: string, times: number): void {
  reasons.set(reason, (reasons.get(reason) ?? 0) + times);
}

function mostFirst(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([, left], [, right]) => right - left));
}
