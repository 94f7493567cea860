import type { Database } from 'better-sqlite3';
import type { ExchangeFilter } from './reports.js';
import { HOUR_MS } from './spans.js';
import { VIEWS } from './views.js';

/** The nearest hour in which there can be matches, from `from` on or back, epoch milliseconds; null when there is none. */
export type Hop = (from: number) => number | null;

/**
 * Prepares the leaps over hours in which a filter matches nothing: the summaries know which they are. Null when the
 * filter names nothing that is summed.
 */
export function prepareHop(client: Database, filter: ExchangeFilter, direction: 'back' | 'on'): Hop | null {
  const [compare, order] = direction === 'back' ? ['<=', 'desc'] : ['>=', 'asc'];
  const hops: Hop[] = [];
  for (const [view, kept] of VIEWS) {
    const named = kept.flatMap((name) => {
      const value = name === 'outcome' || name === 'streaming' ? undefined : filter[name];
      return value === undefined ? [] : [{ name, value }];
    });
    if (named.length === 0) continue;
    const statement = client
      .prepare<unknown[], number>(
        `select at from summaries where step = ${HOUR_MS} and view = '${view}' and at ${compare} ?
         ${named.map(({ name }) => `and ${name} = ?`).join(' ')} order by at ${order} limit 1`,
      )
      .pluck();
    const values = named.map(({ value }) => value);
    hops.push((from) => statement.get(from, ...values) ?? null);
  }
  return hops.length === 0 ? null : (from) => furthest(hops, from);
}

/** Where all of them agree. Each leaps over what it knows to be empty, until none has to leap any more. */
function furthest(hops: readonly Hop[], from: number): number | null {
  let hour: number | null = from;
  for (let settled = 0; settled < hops.length; ) {
    settled = 0;
    for (const hop of hops) {
      const next: number | null = hour === null ? null : hop(hour);
      if (next === null) return null;
      if (next === hour) settled += 1;
      hour = next;
    }
  }
  return hour;
}
