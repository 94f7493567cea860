import type { Database } from 'better-sqlite3';
import type { CountedExchange } from './counted.js';
import { prepareInsert } from './rows.js';
import { sessions } from './schema.js';
import { plus, TOKEN_BUCKETS } from './sums.js';

const SUMS = [...TOKEN_BUCKETS, 'costNano', 'providerCostNano'] as const;

type SessionRow = Omit<typeof sessions.$inferSelect, 'seq'>;

/** Counts rows into the sessions they belong to. */
export interface SessionWriter {
  count(row: CountedExchange): void;
  /** Writes what was counted, inside the transaction that inserted the rows. */
  save(): void;
  /** What was counted since is not in the database: its transaction was rolled back. */
  forget(): void;
}

/** Prepares the counting of rows into sessions. */
export function prepareSessions(client: Database): SessionWriter {
  const upsert = prepareInsert<SessionRow>(client, sessions, {
    omit: 'seq',
    onConflict: `on conflict (key, id) do update set
      first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at),
      ${['exchanges', 'errors', ...SUMS.map(columnOf)].map(plusStored).join(', ')}`,
  });

  /** By key and session. */
  const counted = new Map<string, Map<string, SessionRow>>();

  function sessionsOf(key: string): Map<string, SessionRow> {
    let sessions = counted.get(key);
    if (sessions === undefined) {
      sessions = new Map();
      counted.set(key, sessions);
    }
    return sessions;
  }

  return {
    count(row) {
      if (row.session === null || row.startedAt === null) return;
      const key = row.key ?? '';
      const ofKey = sessionsOf(key);
      ofKey.set(
        row.session,
        plusRow(ofKey.get(row.session) ?? emptySession(key, row.session, row.startedAt), row),
      );
    },
    save() {
      for (const ofKey of counted.values()) for (const session of ofKey.values()) upsert(session);
      counted.clear();
    },
    forget: () => counted.clear(),
  };
}

/** The stored sum of a column and the new one; unknown plus a number is the number. */
function plusStored(column: string): string {
  return `"${column}" = coalesce("${column}" + excluded."${column}", "${column}", excluded."${column}")`;
}

function columnOf(name: (typeof SUMS)[number]): string {
  return sessions[name].name;
}

function plusRow(session: SessionRow, row: CountedExchange): SessionRow {
  const startedAt = row.startedAt ?? session.firstAt;
  session.firstAt = Math.min(session.firstAt, startedAt);
  session.lastAt = Math.max(session.lastAt, startedAt);
  session.exchanges += 1;
  if (row.outcome === 'failed' || row.outcome === 'truncated') session.errors += 1;
  for (const name of SUMS) session[name] = plus(session[name], row[name]);
  return session;
}

function emptySession(key: string, id: string, at: number): SessionRow {
  return {
    key,
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
