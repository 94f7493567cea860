import type { Target } from './table.js';

/** Orders a route's targets. Pure: the same arguments give the same order. */
export type Strategy = (targets: readonly Target[]) => readonly Target[];

const strategies: ReadonlyMap<string, Strategy> = new Map([
  // The order of the configuration.
  ['priority', (targets) => targets],
]);

/** The targets in the order in which they are to be tried. A name without a route keeps its own order. */
export function order(strategy: string | null, targets: readonly Target[]): readonly Target[] {
  const chosen = strategies.get(strategy ?? 'priority');
  if (chosen === undefined) throw new Error(`There is no strategy named "${strategy}".`);
  return chosen(targets);
}
