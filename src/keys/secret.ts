import { createHmac, randomBytes, randomInt } from 'node:crypto';

const ID_ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 8;
const SECRET_BYTES = 32;
const FINGERPRINT_LENGTH = 8;
const shape = /^gw-([0-9a-z]{8})-[A-Za-z0-9_-]{43}$/;

/** A new key. */
export interface NewSecret {
  /** By which it is found, and shown: not a secret. */
  readonly id: string;
  /** What the client sends: `gw-<id>-<32 random bytes in base64url>`. Nobody can tell it again. */
  readonly key: string;
}

/** Makes up a key that no one can guess: 256 random bits. */
export function newSecret(): NewSecret {
  let id = '';
  while (id.length < ID_LENGTH) id += ID_ALPHABET[randomInt(ID_ALPHABET.length)];
  return { id, key: `gw-${id}-${randomBytes(SECRET_BYTES).toString('base64url')}` };
}

/** The id in a key; null when the text has not the form of a key made here. */
export function secretId(key: string): string | null {
  return shape.exec(key)?.[1] ?? null;
}

/** As much of a key as may be shown. */
export function shownKey(id: string): string {
  return `gw-${id}-…`;
}

/** What is stored of a key. Costs 3 µs. */
export function hashKey(secret: string | Uint8Array, key: string): Buffer {
  return createHmac('sha256', secret).update(key).digest();
}

/** Tells two hashing secrets apart without telling anything about them. */
export function fingerprint(secret: string | Uint8Array): string {
  return createHmac('sha256', secret).update('llm-gateway').digest('hex').slice(0, FINGERPRINT_LENGTH);
}
