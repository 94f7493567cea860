import type { Database } from 'better-sqlite3';
import { and, type Column, eq, gte, lt, type SQL, sql } from 'drizzle-orm';
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3';
import { createHistogram, type Histogram } from './histogram.js';
import type { Dimension } from './reports.js';
import { exchanges, rollups } from './schema.js';
import { TOKEN_BUCKETS } from './sums.js';
import type { PartialSum } from './tally.js';

/** A partial sum of one group; dimensions that are not grouped by are empty. */
export type Part = PartialSum & Record<Dimension, string>;

/** Lets SQL aggregate durations into an encoded histogram, and encoded histograms into one. */
export function registerHistograms(client: Database): void {
  client.aggregate<Histogram>('histogram_of', {
    start: createHistogram,
    step: (histogram, us: unknown) => {
      if (typeof us === 'number') histogram.add(us);
    },
    result: (histogram) => histogram.encode(),
  });
  client.aggregate<Histogram>('histogram_merge', {
    start: createHistogram,
    step: (histogram, encoded: unknown) => {
      if (encoded instanceof Uint8Array) histogram.merge(encoded);
    },
    result: (histogram) => histogram.encode(),
  });
}

/** Sums over the rows of an id range that started in a window. */
export function prepareRowSums(db: BetterSQLite3Database, groupBy: Dimension[], key?: string) {
  const buckets = sql.join(
    TOKEN_BUCKETS.map((name) => sql`${exchanges[name]}`),
    sql`, `,
  );
  return db
    .select({
      ...groupColumns(exchanges, groupBy),
      ...sumColumns(exchanges),
      outcome: exchanges.outcome,
      exchanges: sql<number>`count(*)`,
      usageKnown: sql<number>`sum(coalesce(${buckets}) is not null)`,
      costKnown: sql<number>`count(${exchanges.costNano})`,
      totalHistogram: sql<Buffer>`histogram_of(${exchanges.totalUs})`,
      firstContentHistogram: sql<Buffer>`histogram_of(${exchanges.firstContentUs})`,
    })
    .from(exchanges)
    .where(startedWithin(key))
    .groupBy(exchanges.outcome, ...groupBy.map((name) => exchanges[name]))
    .prepare();
}

/** Sums over the rollups of whole hours. */
export function prepareRollupSums(db: BetterSQLite3Database, groupBy: Dimension[]) {
  return db
    .select({
      ...groupColumns(rollups, groupBy),
      ...sumColumns(rollups),
      outcome: rollups.outcome,
      exchanges: sql<number>`sum(${rollups.exchanges})`,
      usageKnown: sql<number>`sum(${rollups.usageKnown})`,
      costKnown: sql<number>`sum(${rollups.costKnown})`,
      totalHistogram: sql<Buffer>`histogram_merge(${rollups.totalHistogram})`,
      firstContentHistogram: sql<Buffer>`histogram_merge(${rollups.firstContentHistogram})`,
    })
    .from(rollups)
    .where(within(rollups.hour))
    .groupBy(rollups.outcome, ...groupBy.map((name) => rollups[name]))
    .prepare();
}

/** `since <= column < until`: the window of every report, over rows and over rollups. */
export function within(column: Column) {
  return and(gte(column, sql.placeholder('since')), lt(column, sql.placeholder('until')));
}

/** The exchanges of a window, perhaps of one API key only; the id range is what the index finds them by. */
export function startedWithin(key?: string) {
  const range = [gte(exchanges.id, sql.placeholder('from')), lt(exchanges.id, sql.placeholder('to'))];
  const own = key === undefined ? undefined : eq(exchanges.key, key);
  return and(...range, within(exchanges.startedAt), own);
}

type Source = typeof exchanges | typeof rollups;

/** The names of a group; empty text where there is none and where the dimension is not grouped by. */
export function groupColumns(source: Record<Dimension, Column>, groupBy: Dimension[]) {
  const column = (name: Dimension): SQL<string> =>
    groupBy.includes(name) ? sql<string>`coalesce(${source[name]}, '')` : sql<string>`''`;
  return { provider: column('provider'), model: column('model'), route: column('route') };
}

/** SQL's sum is null when every value is, which is what an unknown sum has to be. */
function sumColumns(source: Source) {
  const sum = (column: Column) => sql<number | null>`sum(${column})`;
  return {
    inputUncachedTokens: sum(source.inputUncachedTokens),
    cacheReadTokens: sum(source.cacheReadTokens),
    cacheWriteTokens: sum(source.cacheWriteTokens),
    outputTextTokens: sum(source.outputTextTokens),
    reasoningTokens: sum(source.reasoningTokens),
    audioTokens: sum(source.audioTokens),
    costNano: sum(source.costNano),
    providerCostNano: sum(source.providerCostNano),
    bytesIn: sum(source.bytesIn),
    bytesOut: sum(source.bytesOut),
    totalUs: sum(source.totalUs),
  };
}
