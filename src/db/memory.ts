import type { Database } from 'better-sqlite3';

/** Something worth keeping over a restart: a short JSON text under a name. */
export interface Note {
  name: string;
  value: string;
}

/** What the gateway remembers over a restart, beside its records. */
export interface Memory {
  /** The text under a name, null when there is none. Rejects when the database cannot be read. */
  recall(name: string): Promise<string | null>;
  /** Replaces what stands under the name. Rejects when the database cannot be written. */
  remember(note: Note): Promise<void>;
}

/** Reads and writes notes on one connection. */
export function prepareMemory(client: Database) {
  const select = client.prepare<[string], { value: string }>('SELECT value FROM memory WHERE name = ?');
  const insert = client.prepare<[string, string, number]>(
    'INSERT INTO memory (name, value, written_at) VALUES (?, ?, ?) ' +
      'ON CONFLICT (name) DO UPDATE SET value = excluded.value, written_at = excluded.written_at',
  );
  return {
    recall: (name: string) => select.get(name)?.value ?? null,
    remember: ({ name, value }: Note) => void insert.run(name, value, Date.now()),
  };
}
