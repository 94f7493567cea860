import { globMatcher, type Matcher } from './patterns.js';
import type { Entry } from './table.js';

/** What a caller may name as `model`. A plain set is of routes. */
export interface Allowed {
  /** Whether the route may be used. */
  has(route: string): boolean;
  /** Whether the target, `provider/model`, may be addressed by itself; without this, none may. */
  readonly reaches?: Matcher;
}

/** What a key may use; null when it is bound to nothing. Patterns are compiled once. */
export function allowedOf(key: {
  readonly routes: readonly string[] | null;
  readonly models: readonly string[] | null;
}): Allowed | null {
  if (key.routes === null && key.models === null) return null;
  const routes = new Set(key.routes);
  const patterns = (key.models ?? []).map(globMatcher);
  return {
    has: (route) => routes.has(route),
    reaches: (target) => patterns.some((matches) => matches(target)),
  };
}

/** What is left of an entry for a caller; null when it may not use it at all. */
export function permitted(entry: Entry, allowed: Allowed): Entry | null {
  if (entry.route !== null) return allowed.has(entry.route) ? entry : null;
  const { reaches } = allowed;
  const targets = reaches === undefined ? [] : entry.targets.filter(({ id }) => reaches(id));
  if (targets.length === 0) return null;
  return targets.length === entry.targets.length ? entry : { ...entry, targets };
}
