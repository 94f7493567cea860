import type { Database } from 'better-sqlite3';
import { DAY_MS, floorTo } from './spans.js';
import { prepareTotals } from './totals.js';

/** Whose spending is asked for, and of when: epoch milliseconds, starts of hours. */
export interface SpentQuery {
  readonly kind: 'key' | 'route';
  readonly name: string;
  readonly since: number;
  /** Null: until now. */
  readonly until: number | null;
}

/** The last midnight that a date can be. */
const END = floorTo(DAY_MS, 8.64e15);
const NANO = 1e9;

/**
 * What the exchanges of a key or a route have cost that started within whole hours, in integer nano-USD: the sum over
 * the records, which the statistics are, also when the records themselves were removed. Exact below a million USD.
 */
export function prepareSpent(client: Database): (queries: readonly SpentQuery[]) => Promise<number[]> {
  const totals = prepareTotals(client);
  async function spent({ kind, name, since, until }: SpentQuery): Promise<number> {
    const sums = await totals({
      window: { since, until: until ?? END },
      groupBy: [],
      filter: { [kind]: name },
    });
    return Math.round((sums.totals.cost_usd ?? 0) * NANO);
  }
  return async (queries) => {
    const sums: number[] = [];
    for (const query of queries) sums.push(await spent(query));
    return sums;
  };
}
