import type { Database } from 'better-sqlite3';
import { and, asc, desc, eq, gte, lt } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { detail, summary } from './present.js';
import type { ExchangeFilter, ExchangePage, ExchangeQuery, Reports } from './reports.js';
import { attempts, exchangePayloads, exchanges, payloads } from './schema.js';
import { idRange, prepareSlices } from './slices.js';
import { prepareTotals } from './totals.js';

/** A filter that matches little must not walk ten million rows for one page. */
const MAX_SLICES = 100;

/** The reports over one connection. */
export function createReports(client: Database): Reports {
  const db = drizzle(client);
  const slices = prepareSlices(client);

  async function page({ filter, limit, before }: ExchangeQuery): Promise<ExchangePage> {
    const range = idRange(filter.since, filter.until);
    if (before !== null && before < range.to) range.to = before;
    const conditions = conditionsOf(filter);
    const found: (typeof exchanges.$inferSelect)[] = [];
    let scanned = 0;
    for await (const { from, to } of slices(range)) {
      const rows = db
        .select()
        .from(exchanges)
        .where(and(gte(exchanges.id, from), lt(exchanges.id, to), ...conditions))
        .orderBy(desc(exchanges.id))
        .limit(limit + 1 - found.length)
        .all();
      found.push(...rows);
      if (found.length > limit) {
        const shown = found.slice(0, limit);
        return { data: shown.map(summary), next_cursor: encodeCursor(shown.at(-1)?.id ?? from) };
      }
      scanned += 1;
      if (scanned === MAX_SLICES) return { data: found.map(summary), next_cursor: encodeCursor(from) };
    }
    return { data: found.map(summary), next_cursor: null };
  }

  return {
    totals: prepareTotals(client),
    exchanges: page,
    async exchange(id) {
      const row = db.select().from(exchanges).where(eq(exchanges.id, id)).get();
      if (!row) return null;
      const tries = db
        .select()
        .from(attempts)
        .where(eq(attempts.exchangeSeq, row.seq))
        .orderBy(asc(attempts.number))
        .all();
      const bodies = db
        .select({ kind: exchangePayloads.kind, encoding: payloads.encoding, bytes: payloads.bytes })
        .from(exchangePayloads)
        .innerJoin(payloads, eq(payloads.hash, exchangePayloads.hash))
        .where(eq(exchangePayloads.exchangeSeq, row.seq))
        .all();
      return detail(row, tries, bodies);
    },
  };
}

function conditionsOf(filter: ExchangeFilter) {
  return [
    filter.provider === undefined ? undefined : eq(exchanges.provider, filter.provider),
    filter.model === undefined ? undefined : eq(exchanges.model, filter.model),
    filter.route === undefined ? undefined : eq(exchanges.route, filter.route),
    filter.key === undefined ? undefined : eq(exchanges.key, filter.key),
    filter.outcome === undefined ? undefined : eq(exchanges.outcome, filter.outcome),
    filter.since === undefined ? undefined : gte(exchanges.startedAt, filter.since),
    filter.until === undefined ? undefined : lt(exchanges.startedAt, filter.until),
  ];
}

/** Opaque to clients: the id of the last exchange they saw. */
function encodeCursor(id: string): string {
  return Buffer.from(id).toString('base64url');
}
