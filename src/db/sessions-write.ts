import type { Database } from 'better-sqlite3';
import { type ExchangeRow, prepareInsert } from './rows.js';
import { sessions } from './schema.js';
import { plus, TOKEN_BUCKETS } from './sums.js';

const SUMS = [...TOKEN_BUCKETS, 'costNano', 'providerCostNano'] as const;

type SessionRow = Omit<typeof sessions.$inferSelect, 'seq'>;

/**
 * Prepares the counting of rows into the sessions they belong to. Call the result inside the transaction that
 * inserted the rows.
 */
export function prepareSessions(client: Database): (rows: readonly ExchangeRow[]) => void {
  const upsert = prepareInsert<SessionRow>(client, sessions, {
    omit: 'seq',
    onConflict: `on conflict (key, id) do update set
      first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at),
      ${['exchanges', 'errors', ...SUMS.map(columnOf)].map(plusStored).join(', ')}`,
  });

  return (rows) => {
    const counted = new Map<string, SessionRow>();
    for (const row of rows) {
      if (row.session === null || row.startedAt === null) continue;
      const name = JSON.stringify([row.key, row.session]);
      counted.set(name, plusRow(counted.get(name) ?? emptySession(row.key, row.session, row.startedAt), row));
    }
    for (const session of counted.values()) upsert(session);
  };
}

/** The stored sum of a column and the new one; unknown plus a number is the number. */
function plusStored(column: string): string {
  return `"${column}" = coalesce("${column}" + excluded."${column}", "${column}", excluded."${column}")`;
}

function columnOf(name: (typeof SUMS)[number]): string {
  return sessions[name].name;
}

function plusRow(session: SessionRow, row: ExchangeRow): SessionRow {
  const startedAt = row.startedAt ?? session.firstAt;
  session.firstAt = Math.min(session.firstAt, startedAt);
  session.lastAt = Math.max(session.lastAt, startedAt);
  session.exchanges += 1;
  if (row.outcome === 'failed' || row.outcome === 'truncated') session.errors += 1;
  for (const name of SUMS) session[name] = plus(session[name], row[name]);
  return session;
}

function emptySession(key: string | null, id: string, at: number): SessionRow {
  return {
    key: key ?? '',
    id,
    firstAt: at,
    lastAt: at,
    exchanges: 0,
    errors: 0,
    inputUncachedTokens: null,
    cacheReadTokens: null,
    cacheWriteTokens: null,
    outputTextTokens: null,
    reasoningTokens: null,
    audioTokens: null,
    costNano: null,
    providerCostNano: null,
  };
}
