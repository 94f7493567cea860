import { randomBytes } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { and, eq, gt, isNull, lt, or } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { apiKeySecrets, apiKeys, databaseSecrets } from './schema.js';

/** A key as it is stored. Instants are epoch milliseconds. */
export interface KeyRow {
  id: string;
  name: string;
  /** JSON text. */
  terms: string;
  createdAt: number;
  createdBy: string | null;
  revokedAt: number | null;
}

/** One of the secrets of a key. */
export interface SecretRow {
  id: string;
  keyId: string;
  hash: Uint8Array;
  sealedBy: string;
  createdAt: number;
  endsAt: number | null;
}

/** Every key there is, revoked ones too. */
export interface KeyTable {
  /** The random secret of this database, with which keys are hashed if the operator has no other. */
  secret: Uint8Array;
  keys: KeyRow[];
  secrets: SecretRow[];
}

/** One change; `name` is the key's. */
export type KeyChange =
  | { kind: 'create'; key: KeyRow; secret: SecretRow }
  /** Only when the terms are still those of `before`. */
  | { kind: 'update'; name: string; terms: string; before: string }
  | { kind: 'revoke'; name: string; at: number }
  /** The secrets so far end at `endsAt`, or earlier if they do already. */
  | { kind: 'rotate'; name: string; secret: Omit<SecretRow, 'keyId'>; endsAt: number };

/** `taken`: the name belongs to another key, or did. `stale`: the terms are not what they were taken for. */
export type KeyResult = 'done' | 'taken' | 'missing' | 'revoked' | 'stale';

/** Reads and changes the keys of one database. */
export interface KeyTasks {
  read(): KeyTable;
  /** In one transaction. */
  change(change: KeyChange): KeyResult;
}

const SECRET_NAME = 'api keys';
const SECRET_BYTES = 32;

export function prepareKeys(client: Database): KeyTasks {
  const db = drizzle(client);

  function databaseSecret(): Uint8Array {
    const value = randomBytes(SECRET_BYTES);
    const known = db.select().from(databaseSecrets).where(eq(databaseSecrets.name, SECRET_NAME));
    const found = known.get();
    if (found !== undefined) return found.value;
    db.insert(databaseSecrets).values({ name: SECRET_NAME, value }).onConflictDoNothing().run();
    return known.get()?.value ?? value;
  }

  function named(name: string): KeyRow | undefined {
    return db.select().from(apiKeys).where(eq(apiKeys.name, name)).get();
  }

  function create({ key, secret }: KeyChange & { kind: 'create' }): KeyResult {
    if (named(key.name) !== undefined) return 'taken';
    db.insert(apiKeys).values(key).run();
    addSecret(secret);
    return 'done';
  }

  function addSecret(secret: SecretRow): void {
    db.insert(apiKeySecrets)
      .values({ ...secret, hash: Buffer.from(secret.hash) })
      .run();
  }

  function rotate(keyId: string, { secret, endsAt }: KeyChange & { kind: 'rotate' }): KeyResult {
    const own = eq(apiKeySecrets.keyId, keyId);
    db.delete(apiKeySecrets)
      .where(and(own, lt(apiKeySecrets.endsAt, secret.createdAt)))
      .run();
    db.update(apiKeySecrets)
      .set({ endsAt })
      .where(and(own, or(isNull(apiKeySecrets.endsAt), gt(apiKeySecrets.endsAt, endsAt))))
      .run();
    addSecret({ ...secret, keyId });
    return 'done';
  }

  function apply(change: KeyChange): KeyResult {
    if (change.kind === 'create') return create(change);
    const key = named(change.name);
    if (key === undefined) return 'missing';
    if (key.revokedAt !== null) return 'revoked';
    if (change.kind === 'update' && change.before !== key.terms) return 'stale';
    if (change.kind === 'rotate') return rotate(key.id, change);
    const set = change.kind === 'update' ? { terms: change.terms } : { revokedAt: change.at };
    db.update(apiKeys).set(set).where(eq(apiKeys.id, key.id)).run();
    return 'done';
  }

  const change = client.transaction(apply);
  return {
    read: () => ({
      secret: databaseSecret(),
      keys: db.select().from(apiKeys).orderBy(apiKeys.id).all(),
      secrets: db.select().from(apiKeySecrets).all(),
    }),
    change: (what) => change.immediate(what),
  };
}
