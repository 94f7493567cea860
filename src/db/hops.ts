import type { Database } from 'better-sqlite3';
import type { ExchangeFilter } from './reports.js';
import { DAY_MS, floorTo, HOUR_MS } from './spans.js';
import { VIEWS } from './views.js';

/** The nearest hour in which there can be matches, from `from` on or back, epoch milliseconds; null when there is none. */
export type Hop = (from: number) => number | null;

/**
 * Prepares the leaps over hours in which a filter matches nothing: the summaries know which they are. Null when the
 * filter names nothing that is summed.
 */
export function prepareHop(client: Database, filter: ExchangeFilter, direction: 'back' | 'on'): Hop | null {
  const hops: Hop[] = [];
  for (const [view, kept] of VIEWS) {
    const named = kept.flatMap((name) => {
      const value = name === 'outcome' || name === 'streaming' ? undefined : filter[name];
      return value === undefined ? [] : [{ name, value }];
    });
    if (named.length === 0) continue;
    const conditions = named.map(({ name }) => `and ${name} = ?`).join(' ');
    const values = named.map(({ value }) => value);
    const nearest = (step: number): Hop => {
      const [compare, order] = direction === 'back' ? ['<=', 'desc'] : ['>=', 'asc'];
      const statement = client
        .prepare<unknown[], number>(
          `select at from summaries where step = ${step} and view = '${view}' and at ${compare} ? and at >= ? and at < ?
           ${conditions} order by at ${order} limit 1`,
        )
        .pluck();
      return (from) => {
        const day = floorTo(DAY_MS, from);
        const [since, until] = step === DAY_MS ? [0, Number.MAX_SAFE_INTEGER] : [day, day + DAY_MS];
        return statement.get(from, since, until, ...values) ?? null;
      };
    };
    hops.push(byDays(nearest(DAY_MS), nearest(HOUR_MS), direction));
  }
  return hops.length === 0 ? null : (from) => furthest(hops, from);
}

/** The summaries of days are a twentieth of those of hours: only a day that has matches is looked at by its hours. */
function byDays(nearestDay: Hop, hourOfDay: Hop, direction: 'back' | 'on'): Hop {
  return (from) => {
    for (let edge = from; ; ) {
      const day = nearestDay(floorTo(DAY_MS, edge));
      if (day === null) return null;
      // The last hour of the day, or the first, unless the way begins within it.
      const last = day + DAY_MS - HOUR_MS;
      const hour = hourOfDay(direction === 'back' ? Math.min(edge, last) : Math.max(edge, day));
      if (hour !== null) return hour;
      edge = direction === 'back' ? day - HOUR_MS : day + DAY_MS;
    }
  };
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
