import type { Config, HedgeConfig } from '../config.js';
import { speedKind } from '../routing/keys.js';
import type { Router } from '../routing/router.js';
import type { Target } from '../routing/table.js';
import type { Progress } from './progress.js';

/** How many requests of a route may be sent twice in a row, before the share has to be earned again. */
const BURST = 3;

/** Decides when a second target is asked while the first may still answer. */
export interface Hedge {
  /** Counts the exchange. Milliseconds after which the second target is asked; null: it is not. */
  begin(progress: Progress, first: Target): number | null;
  /** Whether the route's share leaves room for a second request. */
  isAllowed(progress: Progress): boolean;
  /** A second request is sent. */
  spend(progress: Progress): void;
}

/** Hedging as the routes are configured: each earns its `maxShare` with every request, and spends 1 on a second one. */
export function createHedge(routes: Config['routes'], { learned }: Pick<Router, 'learned'>): Hedge {
  const credit = new Map<string, number>();
  const counted = new WeakSet<Progress>();

  function delay({ delay: fixed }: HedgeConfig, { facts }: Progress, first: Target): number | null {
    return fixed === 'p95' ? learned.speeds.percentile95(speedKind(facts), first.id) : fixed;
  }

  return {
    begin(progress, first) {
      const { route } = progress.entry;
      const hedge = route === null ? null : (routes[route]?.hedge ?? null);
      if (route === null || hedge === null || progress.entry.targets.length < 2) return null;
      // An exchange that goes on to its next target is no further request.
      if (!counted.has(progress)) {
        counted.add(progress);
        credit.set(route, Math.min(BURST, (credit.get(route) ?? 0) + hedge.maxShare));
      }
      return delay(hedge, progress, first);
    },
    // Sums of shares are never quite whole.
    isAllowed: ({ entry }) => (credit.get(entry.name) ?? 0) >= 1 - 1e-9,
    spend({ entry }) {
      credit.set(entry.name, (credit.get(entry.name) ?? 0) - 1);
    },
  };
}
