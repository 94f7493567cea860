import type { Database } from 'better-sqlite3';
import { preparePayloadRemoval } from './payload-remove.js';
import type { SessionName } from './session-answers.js';
import { repeat, within } from './step.js';

export interface RemovalOrder {
  session: SessionName;
  /** `after` of the step before; empty for the first. */
  after: string;
}

/** What one step of a session's removal did. */
export interface SessionRemoval {
  /** The id after which the next step begins; null when the session is gone. */
  after: string | null;
  /** Exchanges that belong to no session any more. */
  exchanges: number;
  /** Bodies that are no longer stored. */
  payloads: number;
}

/** What a step may take, because exchanges wait for it. Milliseconds. */
const STEP_MS = 5;
/** Rows in one transaction: less than a millisecond of work. */
const CHUNK_ROWS = 20;
const CHUNK_MS = 2;

/**
 * Prepares the removal of a session in steps of some milliseconds. The bodies of its exchanges are removed, and the
 * exchanges belong to no session any more; they and every sum over them stay. The session goes last, so that a
 * removal that was cut short can be asked for again.
 */
export function prepareSessionRemoval(client: Database): (order: RemovalOrder) => SessionRemoval {
  const find = client.prepare<[string, string, string | null, number], { seq: number; id: string }>(
    `select seq, id from exchanges indexed by exchanges_session
     where session = ? and id > ? and key is ? order by id limit ?`,
  );
  const detach = client.prepare<[number]>('update exchanges set session = null where seq = ?');
  const remove = client.prepare<[string, string]>('delete from sessions where key = ? and id = ?');
  const removePayloads = preparePayloadRemoval(client);

  const chunk = client.transaction(({ session: { key, id }, after }: RemovalOrder): SessionRemoval => {
    const rows = find.all(id, after, key === '' ? null : key, CHUNK_ROWS);
    const removed: SessionRemoval = { after, exchanges: 0, payloads: 0 };
    within(CHUNK_MS, rows, (row) => {
      removed.payloads += removePayloads(row.seq);
      detach.run(row.seq);
      removed.exchanges += 1;
      removed.after = row.id;
    });
    if (rows.length < CHUNK_ROWS && removed.exchanges === rows.length) {
      remove.run(key, id);
      removed.after = null;
    }
    return removed;
  });

  return ({ session, after }) => {
    const total: SessionRemoval = { after, exchanges: 0, payloads: 0 };
    repeat(STEP_MS, () => {
      if (total.after === null) return false;
      const step = chunk.immediate({ session, after: total.after });
      total.after = step.after;
      total.exchanges += step.exchanges;
      total.payloads += step.payloads;
      return step.after !== null;
    });
    return total;
  };
}
