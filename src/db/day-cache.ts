import type { Database } from 'better-sqlite3';
import type { Part } from './board.js';
import type { Window } from './reports.js';
import { readRollups } from './sources.js';
import { DAY_MS } from './spans.js';
import { figure } from './sums.js';

/** How many exchanges each day has. They never become fewer, so a day whose number is the same is the same day. */
export type Revisions = ReadonlyMap<number, number>;

/** What was read of days, for the next who asks the same. */
export interface DayCache {
  /** Null when it is not known, or not any more. */
  get(question: string, day: number, revision: number): readonly Part[] | null;
  set(question: string, day: number, revision: number, parts: readonly Part[]): void;
}

interface Kept {
  revision: number;
  parts: readonly Part[];
  weight: number;
}

/** In points: some 20 MB. */
const MAX_WEIGHT = 80_000;

/** An empty cache. What has not been asked for the longest goes first. */
export function createDayCache(maxWeight = MAX_WEIGHT): DayCache {
  const kept = new Map<string, Kept>();
  let weight = 0;

  function remove(name: string): void {
    weight -= kept.get(name)?.weight ?? 0;
    kept.delete(name);
  }

  return {
    get(question, day, revision) {
      const name = `${day} ${question}`;
      const found = kept.get(name);
      if (found === undefined || found.revision !== revision) return null;
      kept.delete(name);
      kept.set(name, found);
      return found.parts;
    },
    set(question, day, revision, parts) {
      const name = `${day} ${question}`;
      remove(name);
      const added = parts.reduce((sum, { series }) => sum + 1 + (series?.exchanges.length ?? 0), 1);
      kept.set(name, { revision, parts, weight: added });
      weight += added;
      for (const oldest of kept.keys()) {
        if (weight <= maxWeight) return;
        remove(oldest);
      }
    },
  };
}

/** Prepares the revisions of the days of a window, from the smallest of the summaries. */
export function prepareRevisions(client: Database): (window: Window) => Revisions {
  const read = readRollups(client, { step: DAY_MS, view: 'route' }, {});
  return (window) => {
    const revisions = new Map<number, number>();
    read(window, ({ at, stored }) => {
      revisions.set(at, (revisions.get(at) ?? 0) + (figure(stored.figures, 'exchanges') ?? 0));
    });
    return revisions;
  };
}
