import type { Database } from 'better-sqlite3';
import { addAttempt, addExchange, createCell } from './cell.js';
import { countersOf } from './counters.js';
import { sessionCursor } from './cursors.js';
import { idRange } from './ids.js';
import type { Counters, Reports, Window } from './reports.js';
import type { AttemptRow, ExchangeRow } from './rows.js';
import { attempts, exchanges, type sessions } from './schema.js';
import { selectOf } from './select.js';

type SessionRow = typeof sessions.$inferSelect;

/** Prepares the sums by session, over rows: a session is no dimension of the rollups, because callers name them. */
export function prepareSessionSums(client: Database): Reports['sessions'] {
  const countersIn = prepareSessionCounters(client);
  const page = client.prepare<(number | string | null)[], SessionRow>(
    `select seq, key, id, first_at as firstAt, last_at as lastAt from sessions
     where last_at >= ? and first_at < ? and (last_at, seq) < (?, ?) and (? is null or key = ?)
     order by last_at desc, seq desc limit ?`,
  );

  return async ({ window, limit, after, key: only = null }) => {
    const { lastAt, seq } = after ?? { lastAt: Number.MAX_SAFE_INTEGER, seq: 0 };
    const found = page.all(window.since, window.until, lastAt, seq, only, only, limit + 1);
    const shown = found.slice(0, limit);
    const last = found.length > limit ? shown.at(-1) : undefined;
    return {
      data: shown.map(({ id, key, firstAt, lastAt: latest }) => ({
        session: id,
        key: key || null,
        first_at: new Date(firstAt).toISOString(),
        last_at: new Date(latest).toISOString(),
        ...countersIn(key, id, window),
      })),
      next_cursor: last ? sessionCursor(last) : null,
    };
  };
}

/** Prepares the sums over the stored exchanges of one session of one key (empty: of none) in a window. */
export function prepareSessionCounters(
  client: Database,
): (key: string, session: string, window: Window) => Counters {
  const rows = client.prepare<unknown[], ExchangeRow & { seq: number }>(
    `select ${selectOf(exchanges)} from exchanges indexed by exchanges_session
     where session = ? and id >= ? and id < ? and started_at >= ? and started_at < ? and coalesce(key, '') = ?`,
  );
  const tries = client.prepare<[number], AttemptRow>(
    `select ${selectOf(attempts)} from attempts where exchange_seq = ?`,
  );

  return (key, session, { since, until }) => {
    const { from, to } = idRange(since, until);
    const cell = createCell();
    for (const row of rows.all(session, from, to, since, until, key)) {
      addExchange(cell, { ...row, streaming: Boolean(row.streaming) });
      for (const attempt of tries.all(row.seq)) addAttempt(cell, attempt);
    }
    return countersOf(cell);
  };
}
