import { join } from 'node:path';
import SQLite, { type Database } from 'better-sqlite3';
import type { Shared, Sharing, Subject } from './sharing.js';
import { type Area, areas } from './workers.js';

/**
 * A lock is held for about 30 µs. Who waits longer than this goes on without it: somebody was stopped while he held it.
 * Nobody waits again before it was to be had.
 */
const LOCK_MS = 1000;
/** Tries before a waiting process gives its core away. */
const SPINS = 3;
const NAP_MS = 0.05;
/** So that a new row is never taken for one that was known under the same name. */
const VERSIONS = 2 ** 48;

type Row = [version: number, state: string, held: string];
/** What each worker holds, by its number. */
type HeldBy = Record<string, readonly number[]>;

function fileOf(folder: string, area: Area): string {
  return join(folder, `${area}.db`);
}

/** A write-ahead log survives a process that is killed in the middle; nothing here has to survive the machine. */
function open(folder: string, area: Area): Database {
  const client = new SQLite(fileOf(folder, area), { timeout: 0 });
  client.pragma('synchronous = off');
  client.pragma('wal_autocheckpoint = 200');
  return client;
}

function prepare(client: Database) {
  return {
    begin: client.prepare('BEGIN IMMEDIATE'),
    commit: client.prepare('COMMIT'),
    rollback: client.prepare('ROLLBACK'),
    changes: client.prepare('PRAGMA data_version').pluck(),
    select: client.prepare<[string], Row>('SELECT version, state, held FROM subjects WHERE name = ?').raw(),
    upsert: client.prepare<[string, ...Row]>(
      'INSERT INTO subjects VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET ' +
        'version = excluded.version, state = excluded.state, held = excluded.held',
    ),
    remove: client.prepare<[string]>('DELETE FROM subjects WHERE name = ?'),
  };
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Takes the lock of a file; throws when it is not to be had in time. SQLite's own waiting sleeps for milliseconds. */
function lock(begin: { run(): unknown }, patienceMs: number): void {
  const deadline = performance.now() + patienceMs;
  for (let tries = 1; ; tries++) {
    try {
      begin.run();
      return;
    } catch (error) {
      const isBusy = error instanceof SQLite.SqliteError && error.code.startsWith('SQLITE_BUSY');
      if (!isBusy || performance.now() > deadline) throw error;
      if (tries > SPINS) Atomics.wait(sleeper, 0, 0, NAP_MS);
    }
  }
}

/** What the primary process does with the files in which workers share. */
export interface SharedFiles {
  /** What a worker held that is gone is held by nobody. Throws when that cannot be written. */
  release(worker: number): void;
  close(): void;
}

/** Makes the files. They stay open, so that their logs are not folded in whenever the last worker goes. */
export function createSharedFiles(folder: string): SharedFiles {
  const clients = areas.map((area) => {
    const client = open(folder, area);
    client.pragma('journal_mode = wal');
    client.exec(
      'CREATE TABLE subjects (name TEXT PRIMARY KEY, version INTEGER, state TEXT, held TEXT) WITHOUT ROWID',
    );
    return {
      client,
      ...prepare(client),
      all: client.prepare<[], [string, ...Row]>('SELECT * FROM subjects'),
    };
  });

  return {
    release(worker) {
      for (const { begin, all, upsert, commit } of clients) {
        lock(begin, LOCK_MS);
        for (const [name, version, state, held] of all.raw().all()) {
          const { [worker]: gone, ...left }: HeldBy = JSON.parse(held);
          if (gone !== undefined) upsert.run(name, version + 1, state, JSON.stringify(left));
        }
        commit.run();
      }
    },
    close() {
      for (const { client } of clients) client.close();
    },
  };
}

interface Entry {
  readonly name: string;
  readonly subject: Subject<unknown>;
  version: number;
  state: string;
  heldBy: HeldBy;
  /** The generation of the file in which it was looked at last. */
  seen: number;
}

/**
 * Shares what one area holds with the other workers, through a file. `worker` is never used again, not even by a
 * worker that takes the place of this one. An update costs about 30 µs, a look that finds nothing new 4.
 */
export function openSharing(
  folder: string,
  area: Area,
  worker: number,
  onFailure: (error: unknown) => void,
): Sharing {
  const client = open(folder, area);
  const sql = prepare(client);
  let isLocked = false;
  let isIntact = true;
  let isFresh = false;
  let generation = 1;
  let changes: unknown = null;

  function failed(error: unknown): void {
    isIntact = false;
    onFailure(error);
  }

  function pull(entry: Entry): void {
    const row = sql.select.get(entry.name);
    if (row === undefined || row[0] === entry.version) return;
    const [version, state, held] = row;
    Object.assign(entry, { version, state, heldBy: JSON.parse(held) });
    entry.subject.load(JSON.parse(state), sumOf(entry.heldBy, worker));
  }

  function push(entry: Entry): void {
    const { name, subject, heldBy } = entry;
    const state = JSON.stringify(subject.save());
    const held = subject.held();
    const isHeld = held.some((amount) => amount !== 0);
    if (state === entry.state && isSame(heldBy[worker] ?? [], isHeld ? held : [])) return;
    entry.version = entry.version === 0 ? Math.floor(Math.random() * VERSIONS) + 1 : entry.version + 1;
    entry.state = state;
    if (isHeld) heldBy[worker] = [...held];
    else delete heldBy[worker];
    sql.upsert.run(name, entry.version, state, JSON.stringify(heldBy));
  }

  /** What cannot be shared is done all the same: a request is not harmed by it. */
  function inside<Result>(entry: Entry, act: () => Result): Result {
    attempt(() => pull(entry));
    const result = act();
    attempt(() => push(entry));
    return result;
  }

  function attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      failed(error);
    }
  }

  /** Runs `act` while nobody else writes, or `otherwise` when the lock is not to be had. */
  function locked<Result>(act: () => Result, otherwise: () => Result): Result {
    if (isLocked) return act();
    try {
      lock(sql.begin, isIntact ? LOCK_MS : 0);
    } catch (error) {
      failed(error);
      return otherwise();
    }
    isLocked = true;
    isIntact = true;
    try {
      return act();
    } finally {
      isLocked = false;
      attempt(() => sql.commit.run());
      if (client.inTransaction) attempt(() => sql.rollback.run());
    }
  }

  /** Asked once in a turn: nobody can tell whether what comes later in it came before. */
  function look(): void {
    if (isFresh) return;
    isFresh = true;
    queueMicrotask(() => {
      isFresh = false;
    });
    const now = sql.changes.get();
    if (now !== changes) generation += 1;
    changes = now;
  }

  return {
    isShared: true,
    get isIntact() {
      return isIntact;
    },
    join<State>(name: string, subject: Subject<State>): Shared {
      const entry: Entry = { name, subject, version: 0, state: '', heldBy: {}, seen: 0 };
      return {
        update: (act) => locked(() => inside(entry, act), act),
        refresh() {
          if (isLocked) return;
          attempt(() => {
            look();
            if (entry.seen === generation) return;
            pull(entry);
            entry.seen = generation;
          });
        },
        forget() {
          const remove = () => attempt(() => sql.remove.run(name));
          if (entry.version !== 0) locked(remove, () => {});
          entry.version = 0;
        },
      };
    },
  };
}

/** What all workers but one hold together. */
function sumOf(heldBy: HeldBy, besides: number): number[] {
  const sums: number[] = [];
  for (const [worker, held] of Object.entries(heldBy)) {
    if (worker === String(besides)) continue;
    for (const [at, amount] of held.entries()) sums[at] = (sums[at] ?? 0) + amount;
  }
  return sums;
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((amount, at) => amount === other[at]);
}
