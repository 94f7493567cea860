import type { Outcome } from '../exchange.js';
import type { Counters } from './answers.js';
import { type AttemptCount, createAttemptTally } from './attempt-tally.js';
import { createHistogram, type Histogram } from './histogram.js';
import { plus, SUMMED, type Sums, unknownSums } from './sums.js';
import { tokenCounts, toMs, toUsd } from './units.js';

/** A partial sum as the database returns it, over rows or over rollups. */
export type PartialSum = Sums & {
  outcome: Outcome;
  exchanges: number;
  usageKnown: number;
  costKnown: number;
  totalHistogram: Buffer;
  firstContentHistogram: Buffer;
};

/** Adds partial sums up to counters. */
export interface Tally {
  add(part: PartialSum): void;
  addAttempts(count: AttemptCount): void;
  counters(): Counters;
}

/** An empty tally. */
export function createTally(): Tally {
  const outcomes = { ok: 0, rejected: 0, failed: 0, aborted: 0, truncated: 0 };
  const sums = unknownSums();
  const total = createHistogram();
  const firstContent = createHistogram();
  const attempts = createAttemptTally();
  let usageKnown = 0;
  let costKnown = 0;

  return {
    add(part) {
      outcomes[part.outcome] += part.exchanges;
      usageKnown += part.usageKnown;
      costKnown += part.costKnown;
      for (const name of SUMMED) sums[name] = plus(sums[name], part[name]);
      total.merge(part.totalHistogram);
      firstContent.merge(part.firstContentHistogram);
    },
    addAttempts: attempts.add,
    counters() {
      const exchanges = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
      return {
        exchanges,
        ...outcomes,
        ...attempts.counters(),
        ...tokenCounts(sums),
        usage_known: usageKnown,
        cost_usd: toUsd(sums.costNano),
        cost_known: costKnown,
        provider_cost_usd: toUsd(sums.providerCostNano),
        bytes_in: sums.bytesIn,
        bytes_out: sums.bytesOut,
        error_rate: exchanges === 0 ? null : (outcomes.failed + outcomes.truncated) / exchanges,
        total_ms: { mean: meanMs(sums.totalUs, total.count), ...percentilesMs(total) },
        first_content_ms: percentilesMs(firstContent),
      };
    },
  };
}

function meanMs(sumUs: number | null, count: number): number | null {
  return sumUs === null || count === 0 ? null : toMs(sumUs / count);
}

function percentilesMs(histogram: Histogram) {
  return {
    p50: toMs(histogram.percentile(0.5)),
    p90: toMs(histogram.percentile(0.9)),
    p95: toMs(histogram.percentile(0.95)),
    p99: toMs(histogram.percentile(0.99)),
  };
}
