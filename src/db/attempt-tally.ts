import type { Attempt } from '../exchange.js';
import type { Counters } from './answers.js';

/** How many attempts went one way. */
export interface AttemptCount {
  decision: Attempt['decision'];
  /** Empty when the record has none. */
  reason: string;
  attempts: number;
}

/** The counters that are about attempts. */
type AttemptCounters = Pick<Counters, 'attempts' | 'skipped' | 'failed_attempts' | 'attempt_reasons'>;

/** Adds counts of attempts up to counters. */
export interface AttemptTally {
  add(count: AttemptCount): void;
  counters(): AttemptCounters;
}

const ANSWERED = 'answered';
/** How tries end that were stopped through no fault of the target. */
const STOPPED = new Set(['client_gone', 'shutdown', 'superseded', 'hedge_lost']);

/** An empty tally. */
export function createAttemptTally(): AttemptTally {
  const reasons = new Map<string, number>();
  let sent = 0;
  let failed = 0;
  let skipped = 0;

  return {
    add({ decision, reason, attempts }) {
      if (decision === 'skipped') skipped += attempts;
      else sent += attempts;
      if (decision === 'sent' && reason === ANSWERED) return;
      if (decision === 'sent' && !STOPPED.has(reason)) failed += attempts;
      const name = reason || 'unknown';
      reasons.set(name, (reasons.get(name) ?? 0) + attempts);
    },
    counters: () => ({
      attempts: sent,
      skipped,
      failed_attempts: failed,
      attempt_reasons: Object.fromEntries([...reasons].sort(([, left], [, right]) => right - left)),
    }),
  };
}
