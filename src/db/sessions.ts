import type { SessionDetail, SessionList, SessionName } from './session-answers.js';
import type { DetailQuery, ListQuery } from './sessions-read.js';
import type { RemovalOrder, SessionRemoval } from './sessions-remove.js';

/** The conversations in the ledger. Rejects with `LLM_GATEWAY_LEDGER_OFF` when there is no database. */
export interface Sessions {
  /** The most recently used first. */
  list(query: ListQuery): Promise<SessionList>;
  /** One session with its exchanges, newest first; null when there is none. */
  find(query: DetailQuery): Promise<SessionDetail | null>;
  /** Up to two of the keys that have a session of this id; empty text for callers without a key. */
  keysOf(id: string): Promise<string[]>;
  /**
   * Removes a session and the stored bodies of its exchanges. The exchanges stay and belong to no session any more;
   * no sum changes.
   */
  remove(session: SessionName): Promise<Pick<SessionRemoval, 'exchanges' | 'payloads'>>;
}

/** The same, one call for one task of a thread. */
export interface SessionTasks {
  sessionList(query: ListQuery): Promise<SessionList>;
  session(query: DetailQuery): Promise<SessionDetail | null>;
  sessionKeys(id: string): Promise<string[]>;
  removeSession(order: RemovalOrder): Promise<SessionRemoval>;
}

/** Sessions by way of the threads that read and write. A long removal gives way to what is to be written. */
export function createSessions(tasks: SessionTasks): Sessions {
  return {
    list: tasks.sessionList,
    find: tasks.session,
    keysOf: tasks.sessionKeys,
    async remove(session) {
      const removed = { exchanges: 0, payloads: 0 };
      for (let after: string | null = ''; after !== null; ) {
        const step: SessionRemoval = await tasks.removeSession({ session, after });
        removed.exchanges += step.exchanges;
        removed.payloads += step.payloads;
        after = step.after;
      }
      return removed;
    },
  };
}
