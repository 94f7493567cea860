import { hash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { KeyTermsOptions } from '../config/schema.js';
import type { Config } from '../config.js';
import type { KeyChange, KeyResult } from '../db/keys.js';
import type { Ledger, LedgerLogger } from '../db/ledger.js';
import { LedgerOffError } from '../db/off.js';
import type { Caller } from '../exchange.js';
import { createKeyring } from '../keyring.js';
import { fingerprint, hashKey, newSecret, secretId } from './secret.js';
import { type Admission, type Refusal, readKeys, type StoredKey, type StoredKeys } from './table.js';

/** The API keys: those of the configuration, and those that were created at run time. */
export interface Keys {
  /** Whether callers need no key: there has never been one. A revoked key is one, and so may be what cannot be read. */
  readonly none: boolean;
  /** The caller a key belongs to, or why it is not let in; `now` is epoch milliseconds. Touches no database. */
  find(presented: string, now: number): Caller | Refusal;
  /** The caller of that name, as far as it is known. */
  named(name: string): Caller | null;
  /** Every caller that may be let in. */
  callers(): Caller[];
  /** By its id or its name; null for none, and for keys of the configuration. */
  stored(reference: string): StoredKey | null;
  list(): readonly StoredKey[];
  /**
   * These take effect at once. `key` is what clients send: it cannot be told again. They reject with
   * `LLM_GATEWAY_LEDGER_UNAVAILABLE` when it is not known that the change took effect, and with `_OFF` without a database.
   */
  create(name: string, terms: KeyTermsOptions, by: string | null): Promise<Changed & { key: string }>;
  /** `change` is given the terms as they are, and may be asked again when somebody else has changed them meanwhile. */
  update(name: string, change: (before: KeyTermsOptions) => KeyTermsOptions): Promise<Changed>;
  revoke(name: string): Promise<Changed>;
  /** Its predecessor works for `graceMs` milliseconds more. */
  rotate(name: string, graceMs: number): Promise<Changed & { key: string }>;
  /** Reads the database again. What cannot be read stays as it was; never rejects. */
  refresh(): Promise<void>;
}

/** What came of a change. */
export interface Changed {
  readonly result: Exclude<KeyResult, 'stale'>;
}

export interface KeysOptions {
  readonly config: Pick<Config, 'keys' | 'keySecret'>;
  /** Null: only the keys of the configuration. */
  readonly ledger: Pick<Ledger, 'run'> | null;
  readonly logger: Pick<LedgerLogger, 'warn' | 'error'>;
  /** Is told of a change before it is confirmed. */
  readonly onChange?: () => Promise<unknown>;
}

/** Keeps the keys of the database in memory, so that its failures turn nobody away. `refresh` before the first use. */
export function createKeys({ config, ledger, logger, onChange }: KeysOptions): Keys {
  const ring = createKeyring(config.keys);
  const configured = new Map(ring.entries.map(({ caller, terms }) => [terms.name, caller]));
  let stored: StoredKeys | null = null;
  /** Of a database that was deleted or replaced under a running gateway. */
  let lost: StoredKeys | null = null;
  let warned = 0;
  /**
   * The keys that were let in, by the SHA-256 of what was presented, so that each of them is hashed with the secret and
   * compared with all others once only. There are never more than there are good keys.
   */
  const admitted = new Map<string, Admission>();

  async function read(): Promise<void> {
    if (ledger === null) return;
    const next = readKeys(await ledger.run('keys', null), config.keySecret, stored);
    // Without any key in it nothing is lost: a gateway that is open stays so.
    if (stored !== null && stored.keys.length > 0 && stored.database !== next.database) {
      lost = stored;
      logger.error(
        { keys: lost.keys.length },
        'the database was replaced: the API keys that were known still work until the next start',
      );
    }
    stored = next;
    admitted.clear();
    if (stored.foreign > 0 && stored.foreign !== warned) {
      logger.warn(
        { keys: stored.foreign },
        'API keys in the database were made with another keySecret: they do not work',
      );
    }
    warned = stored.foreign;
  }

  async function attempt(what: KeyChange): Promise<KeyResult> {
    if (ledger === null) throw new LedgerOffError();
    const result = await ledger.run('changeKey', what);
    await Promise.all([read(), onChange?.()]);
    return result;
  }

  async function change(what: Exclude<KeyChange, { kind: 'update' }>): Promise<Changed> {
    const result = await attempt(what);
    return { result: result === 'stale' ? 'missing' : result };
  }

  /** Two changes at once are made one after the other, here or in another process, and neither undoes the other. */
  async function update(name: string, of: (before: KeyTermsOptions) => KeyTermsOptions): Promise<Changed> {
    for (;;) {
      const key = stored?.byName.get(name);
      if (key === undefined) return { result: 'missing' };
      const terms = JSON.stringify(of(key.options));
      const result = await attempt({ kind: 'update', name, terms, before: key.text });
      if (result !== 'stale') return { result };
    }
  }

  async function refresh(): Promise<void> {
    try {
      await read();
    } catch (error) {
      logger.error({ error: String(error) }, 'the API keys cannot be read: those that were known still work');
    }
  }

  /** Only what has the form of a stored key may be one that was not read. */
  function findStored(presented: string, now: number): Admission | Refusal {
    if (ledger === null) return 'unknown';
    if (stored === null) return secretId(presented) === null ? 'unknown' : 'unread';
    const found = stored.find(presented, now);
    return found === 'unknown' && lost !== null ? lost.find(presented, now) : found;
  }

  function look(presented: string, now: number): Admission | Refusal {
    const own = ring.find(presented);
    const other = findStored(presented, now);
    if (own === null) return other;
    const until = own.terms.expiresAt ?? Infinity;
    return until <= now ? 'expired' : { caller: own.caller, until };
  }

  async function secretToHash(): Promise<string | Uint8Array> {
    if (stored === null) await read();
    if (stored === null) throw new LedgerOffError();
    return stored.secret;
  }

  async function sealed(at: number) {
    const secret = await secretToHash();
    const { id, key } = newSecret();
    const row = {
      id,
      hash: hashKey(secret, key),
      sealedBy: fingerprint(secret),
      createdAt: at,
      endsAt: null,
    };
    return { key, row };
  }

  return {
    get none() {
      if (ring.entries.length > 0) return false;
      return ledger === null || (stored?.keys.length === 0 && lost === null);
    },
    find(presented, now) {
      // A digest tells nothing about a key that is nearly right, so looking it up need not take the same time always.
      const digest = hash('sha256', presented, 'base64');
      const known = admitted.get(digest);
      if (known !== undefined && now < known.until) return known.caller;
      const found = look(presented, now);
      if (typeof found === 'string') {
        admitted.delete(digest);
        return found;
      }
      admitted.set(digest, found);
      return found.caller;
    },
    named(name) {
      const kept = stored?.byName.get(name) ?? lost?.byName.get(name);
      return configured.get(name) ?? kept?.caller ?? null;
    },
    callers() {
      const usable = stored?.keys.filter(({ revokedAt }) => revokedAt === null) ?? [];
      return [...ring.entries, ...usable].map(({ caller }) => caller);
    },
    stored: (reference) =>
      stored?.keys.find(({ id }) => id === reference) ?? stored?.byName.get(reference) ?? null,
    list: () => stored?.keys ?? [],
    async create(name, terms, createdBy) {
      if (configured.has(name)) return { result: 'taken', key: '' };
      const createdAt = Date.now();
      const { key, row } = await sealed(createdAt);
      const id = uuidv7();
      const record = { id, name, terms: JSON.stringify(terms), createdAt, createdBy, revokedAt: null };
      const changed = await change({ kind: 'create', key: record, secret: { ...row, keyId: id } });
      return { ...changed, key };
    },
    update,
    revoke: (name) => change({ kind: 'revoke', name, at: Date.now() }),
    async rotate(name, graceMs) {
      const at = Date.now();
      const { key, row } = await sealed(at);
      const changed = await change({ kind: 'rotate', name, secret: row, endsAt: at + graceMs });
      return { ...changed, key };
    },
    refresh,
  };
}
