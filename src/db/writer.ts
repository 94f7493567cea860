import type { Database } from 'better-sqlite3';
import type { Exchange } from '../exchange.js';
import { prepareAttemptRollups, type StoredRows } from './attempt-rollups.js';
import { prepareRollups } from './rollups.js';
import { attemptRow, type ExchangeRow, exchangeRow, prepareInsert } from './rows.js';
import { attempts, exchanges, sessions } from './schema.js';

/** What became of a batch. */
export interface Written {
  written: number;
  /** Rows the database will never take, with the first reason. */
  refused: number;
  reason: string | null;
}

/**
 * Prepares the transaction that writes a batch: rows, attempts, sessions and rollups together or not at all.
 * A row that is itself at fault is left out; any other error throws and nothing of the batch is written.
 */
export function prepareWriter(client: Database): (batch: Exchange[]) => Written {
  const insertExchange = prepareInsert<ExchangeRow>(client, exchanges, { omit: 'seq' });
  const insertAttempt = prepareInsert(client, attempts);
  const removeExchange = client.prepare<[number]>('delete from exchanges where seq = ?');
  const saveSessions = prepareSessions(client);
  const saveRollups = prepareRollups(client);
  const saveAttemptRollups = prepareAttemptRollups(client);

  const insert = (exchange: Exchange): StoredRows => {
    const row = exchangeRow(exchange);
    const seq = insertExchange(row);
    try {
      const tries = exchange.attempts.map((attempt) => attemptRow(seq, attempt));
      for (const attempt of tries) insertAttempt(attempt);
      return { exchange: row, attempts: tries };
    } catch (error) {
      // A failed statement leaves the transaction open; the attempts already in go with the row.
      if (isRefusal(error)) removeExchange.run(seq);
      throw error;
    }
  };

  const write = client.transaction((batch: Exchange[]): Written => {
    const stored: StoredRows[] = [];
    let reason: string | null = null;
    for (const exchange of batch) {
      try {
        stored.push(insert(exchange));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        reason ??= error.message;
      }
    }
    const rows = stored.map(({ exchange }) => exchange);
    saveSessions(rows);
    saveRollups(rows);
    saveAttemptRollups(stored);
    return { written: rows.length, refused: batch.length - rows.length, reason };
  });
  return (batch) => write.immediate(batch);
}

/** Constraint violations, values too big or of a wrong type: trying again cannot help. */
function isRefusal(error: unknown): error is Error {
  if (error instanceof TypeError || error instanceof RangeError) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH)/.test(code);
}

function prepareSessions(client: Database): (rows: ExchangeRow[]) => void {
  const upsert = prepareInsert(client, sessions, {
    omit: 'seq',
    onConflict: `on conflict (key, id) do update set
      first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)`,
  });
  return (rows) => {
    const seen = new Map<string, { key: string; id: string; firstAt: number; lastAt: number }>();
    for (const { key, session, startedAt } of rows) {
      if (session === null || startedAt === null) continue;
      const name = JSON.stringify([key, session]);
      const before = seen.get(name);
      seen.set(name, {
        key: key ?? '',
        id: session,
        firstAt: Math.min(before?.firstAt ?? startedAt, startedAt),
        lastAt: Math.max(before?.lastAt ?? startedAt, startedAt),
      });
    }
    for (const session of seen.values()) upsert(session);
  };
}
