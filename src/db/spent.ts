import type { Database } from 'better-sqlite3';

/** Whose spending is asked for, and of when: epoch milliseconds, starts of hours. */
export interface SpentQuery {
  readonly kind: 'key' | 'route';
  readonly name: string;
  readonly since: number;
  /** Null: until now. */
  readonly until: number | null;
}

/**
 * What the exchanges of a key or a route have cost that started within whole hours, in integer nano-USD: the sum over
 * the records, which the rollups are, also when the records themselves were removed.
 */
export function prepareSpent(client: Database): (queries: readonly SpentQuery[]) => number[] {
  const statement = (column: 'key' | 'route') =>
    client
      .prepare<[number, number, string], number>(
        `select coalesce(sum(cost_nano), 0) from rollups where hour >= ? and hour < ? and "${column}" = ?`,
      )
      .pluck();
  const sums = { key: statement('key'), route: statement('route') };
  return (queries) =>
    queries.map(({ kind, name, since, until }) => {
      return sums[kind].get(since, until ?? Number.MAX_SAFE_INTEGER, name) ?? 0;
    });
}
