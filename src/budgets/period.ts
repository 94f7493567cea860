import type { BudgetConfig } from '../config.js';

/** A stretch of time, epoch milliseconds. */
export interface Period {
  readonly start: number;
  /** The first moment after it; null for one that never ends. */
  readonly end: number | null;
}

const DAY_MS = 86_400_000;
/** The 1st of January 1970 was a Thursday. */
const FIRST_MONDAY_MS = 4 * DAY_MS;

/** The period of a budget that a moment lies in. Days, weeks (from Monday) and months are those of UTC. */
export function periodOf(per: BudgetConfig['per'], at: number): Period {
  if (per === 'total') return { start: 0, end: null };
  if (per === 'month') {
    const date = new Date(at);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
    return { start: Date.UTC(year, month), end: Date.UTC(year, month + 1) };
  }
  const length = per === 'day' ? DAY_MS : 7 * DAY_MS;
  const offset = per === 'day' ? 0 : FIRST_MONDAY_MS;
  const start = Math.floor((at - offset) / length) * length + offset;
  return { start, end: start + length };
}

export function isWithin({ start, end }: Period, at: number): boolean {
  return at >= start && (end === null || at < end);
}
