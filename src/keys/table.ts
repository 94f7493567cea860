import { timingSafeEqual } from 'node:crypto';
import Value from 'typebox/value';
import { completeTerms } from '../config/keys.js';
import { type KeyTermsOptions, KeyTermsSchema } from '../config/schema.js';
import type { KeyTerms } from '../config.js';
import type { KeyTable, SecretRow } from '../db/keys.js';
import type { Caller } from '../exchange.js';
import { callerOf } from './caller.js';
import { fingerprint, hashKey, secretId } from './secret.js';

/** A key that was created at run time, without what its clients send. Instants are epoch milliseconds. */
export interface StoredKey {
  readonly id: string;
  readonly name: string;
  readonly terms: KeyTerms;
  /** The terms as they are stored, to be changed, and the JSON text of them. */
  readonly options: KeyTermsOptions;
  readonly text: string;
  readonly createdAt: number;
  readonly createdBy: string | null;
  readonly revokedAt: number | null;
  /** The readable part of what clients send now; null when it has none. */
  readonly secretId: string | null;
  /** Until when its predecessor works; null: there is none. */
  readonly previousUntil: number | null;
  readonly caller: Caller;
}

/** Why a key is not let in. */
export type Refusal = 'unknown' | 'revoked' | 'expired' | 'replaced' | 'unread';

/** A key that is let in. */
export interface Admission {
  readonly caller: Caller;
  /** When it ends to be, epoch milliseconds; infinity for one that lasts. */
  readonly until: number;
}

/** The keys of a database, in memory. */
export interface StoredKeys {
  readonly keys: readonly StoredKey[];
  readonly byName: ReadonlyMap<string, StoredKey>;
  /** Tells one database from another. */
  readonly database: string;
  /** What new keys are hashed with. */
  readonly secret: string | Uint8Array;
  /** Secrets that were hashed with another secret than this: they match nothing. */
  readonly foreign: number;
  find(presented: string, now: number): Admission | Refusal;
}

const NOBODY = Buffer.alloc(32);

/**
 * Reads what the database holds. Throws when it is not what this program has written. What stands there as it did
 * `before` is taken from there: 10,000 keys take 20 ms then, and a second otherwise.
 */
export function readKeys(
  table: KeyTable,
  keySecret: string | null,
  before: StoredKeys | null = null,
): StoredKeys {
  const secret = keySecret ?? table.secret;
  const sealedBy = fingerprint(secret);
  const secrets = table.secrets.map((row) => ({ ...row, hash: Buffer.from(row.hash) }));
  const byId = new Map(secrets.filter((row) => row.sealedBy === sealedBy).map((row) => [row.id, row]));
  const byKey = secretsByKey(table.secrets);
  const keys = table.keys.map(({ terms, ...row }): StoredKey => {
    const own = byKey.get(row.id) ?? [];
    const known = before?.byName.get(row.name);
    return {
      ...row,
      ...(known?.text === terms ? meaningOf(known) : understood(row.name, terms)),
      secretId: own.find(({ endsAt }) => endsAt === null)?.id ?? null,
      previousUntil: latestEnd(own),
    };
  });
  const owners = new Map(keys.map((key) => [key.id, key]));

  return {
    keys,
    byName: new Map(keys.map((key) => [key.name, key])),
    database: fingerprint(table.secret),
    secret,
    foreign: secrets.length - byId.size,
    find(presented, now) {
      const id = secretId(presented);
      const row = id === null ? undefined : byId.get(id);
      // Who guesses ids learns nothing from the time it takes: they are no secrets, but this costs little.
      const isRight = timingSafeEqual(row?.hash ?? NOBODY, hashKey(secret, presented));
      const key = row === undefined || !isRight ? undefined : owners.get(row.keyId);
      if (row === undefined || key === undefined) return 'unknown';
      if (key.revokedAt !== null) return 'revoked';
      const [ends, expires] = [row.endsAt ?? Infinity, key.terms.expiresAt ?? Infinity];
      if (ends <= now) return 'replaced';
      if (expires <= now) return 'expired';
      return { caller: key.caller, until: Math.min(ends, expires) };
    },
  };
}

type Meaning = Pick<StoredKey, 'text' | 'options' | 'terms' | 'caller'>;

function understood(name: string, text: string): Meaning {
  const options = parseTerms(name, text);
  const terms = completeTerms(options);
  return { text, options, terms, caller: callerOf(name, terms) };
}

function meaningOf({ text, options, terms, caller }: StoredKey): Meaning {
  return { text, options, terms, caller };
}

function secretsByKey(secrets: readonly SecretRow[]): ReadonlyMap<string, SecretRow[]> {
  const byKey = new Map<string, SecretRow[]>();
  for (const secret of secrets) {
    const own = byKey.get(secret.keyId);
    if (own === undefined) byKey.set(secret.keyId, [secret]);
    else own.push(secret);
  }
  return byKey;
}

function latestEnd(secrets: readonly SecretRow[]): number | null {
  return secrets.reduce<number | null>(
    (latest, { endsAt }) => (endsAt === null ? latest : Math.max(latest ?? 0, endsAt)),
    null,
  );
}

function parseTerms(name: string, text: string): KeyTermsOptions {
  const terms: unknown = JSON.parse(text);
  if (Value.Check(KeyTermsSchema, terms)) return terms;
  throw new Error(`The terms of the key ${JSON.stringify(name)} in the database are not valid.`);
}
