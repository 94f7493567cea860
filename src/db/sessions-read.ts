import type { Database } from 'better-sqlite3';
import { and, desc, eq, isNull, lt, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { exchangeCursor, sessionCursor } from './cursors.js';
import { summary } from './present.js';
import { exchanges, sessions } from './schema.js';
import type { SessionDetail, SessionList, SessionName, SessionSummary } from './session-answers.js';
import { tokenCounts, toUsd } from './units.js';

export interface ListQuery {
  /** Only those of this key; empty: those of callers without one. */
  key?: string;
  limit: number;
  /** The last of the page before. */
  after: { lastAt: number; seq: number } | null;
}

export interface DetailQuery {
  session: SessionName;
  limit: number;
  /** Id of the last exchange of the page before. */
  before: string | null;
}

/** What the ledger can tell about sessions. */
export interface SessionReports {
  /** The most recently used first. */
  sessionList(query: ListQuery): SessionList;
  /** One session with its exchanges, newest first; null when there is none. */
  session(query: DetailQuery): SessionDetail | null;
  /** The keys that have a session of this id; empty text for callers without one. */
  sessionKeys(id: string): string[];
}

/** The reports about sessions over one connection. */
export function createSessionReports(client: Database): SessionReports {
  const db = drizzle(client);

  return {
    sessionList({ key, limit, after }) {
      const rows = db
        .select()
        .from(sessions)
        .where(
          and(
            key === undefined ? undefined : eq(sessions.key, key),
            after === null
              ? undefined
              : sql`(${sessions.lastAt}, ${sessions.seq}) < (${after.lastAt}, ${after.seq})`,
          ),
        )
        .orderBy(desc(sessions.lastAt), desc(sessions.seq))
        .limit(limit + 1)
        .all();
      const shown = rows.slice(0, limit);
      const last = shown.at(-1);
      const more = rows.length > limit && last !== undefined;
      return {
        data: shown.map(sessionSummary),
        next_cursor: more ? sessionCursor(last) : null,
      };
    },
    session({ session: { key, id }, limit, before }) {
      const found = db
        .select()
        .from(sessions)
        .where(and(eq(sessions.key, key), eq(sessions.id, id)))
        .get();
      if (found === undefined) return null;
      const rows = db
        .select()
        .from(exchanges)
        .where(
          and(
            eq(exchanges.session, id),
            key === '' ? isNull(exchanges.key) : eq(exchanges.key, key),
            before === null ? undefined : lt(exchanges.id, before),
          ),
        )
        .orderBy(desc(exchanges.id))
        .limit(limit + 1)
        .all();
      const shown = rows.slice(0, limit);
      const last = shown.at(-1);
      const more = rows.length > limit && last !== undefined;
      return {
        ...sessionSummary(found),
        data: shown.map(summary),
        next_cursor: more ? exchangeCursor('newest', last.id) : null,
      };
    },
    sessionKeys: (id) =>
      db
        .select({ key: sessions.key })
        .from(sessions)
        .where(eq(sessions.id, id))
        .limit(2)
        .all()
        .map(({ key }) => key),
  };
}

function sessionSummary(row: typeof sessions.$inferSelect): SessionSummary {
  return {
    id: row.id,
    key: row.key === '' ? null : row.key,
    first_at: new Date(row.firstAt).toISOString(),
    last_at: new Date(row.lastAt).toISOString(),
    exchanges: row.exchanges,
    errors: row.errors,
    ...tokenCounts(row),
    cost_usd: toUsd(row.costNano),
    provider_cost_usd: toUsd(row.providerCostNano),
  };
}
