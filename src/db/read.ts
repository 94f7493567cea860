import type { Database } from 'better-sqlite3';
import { asc, eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { exchangeCursor } from './cursors.js';
import { preparePayloadReader } from './payload-read.js';
import { detail, summary } from './present.js';
import { preparePriceReader } from './prices.js';
import type { Question, Reports } from './reports.js';
import { scanExchanges } from './scan.js';
import { attempts, exchanges } from './schema.js';
import { prepareSessionSums } from './session-sums.js';
import { prepareTotals } from './totals.js';

/** The reports that one connection can give by reading. */
export type ReadReports = Omit<Reports, 'remove'>;

/** The reports over one connection. */
export function createReports(client: Database): ReadReports {
  const db = drizzle(client);
  const payloadsOf = preparePayloadReader(client);
  const priceOf = preparePriceReader(client);

  const reports: Omit<ReadReports, 'json'> = {
    totals: prepareTotals(client),
    sessions: prepareSessionSums(client),
    async exchanges(query) {
      const { rows, after } = scanExchanges(client, query);
      return {
        data: rows.map(summary),
        next_cursor: after === null ? null : exchangeCursor(query.sort ?? 'newest', after),
      };
    },
    async exchange(id) {
      const row = db.select().from(exchanges).where(eq(exchanges.id, id)).get();
      if (!row) return null;
      const tries = db
        .select()
        .from(attempts)
        .where(eq(attempts.exchangeSeq, row.seq))
        .orderBy(asc(attempts.number))
        .all();
      return detail(row, tries, payloadsOf(row.seq), priceOf(row.priceSeq));
    },
    export: async (query) => {
      // It brings TypeBox along, which a thread that only counts has no use for.
      const { exportPart } = await import('./export.js');
      return exportPart(scanExchanges(client, query), query.format);
    },
  };

  function answer({ report, query }: Question): Promise<object> {
    if (report === 'totals') return reports.totals(query);
    return report === 'exchanges' ? reports.exchanges(query) : reports.sessions(query);
  }

  const encoder = new TextEncoder();
  return {
    ...reports,
    json: async (question) => encoder.encode(JSON.stringify(await answer(question))),
  };
}
