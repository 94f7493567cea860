import { createHash, timingSafeEqual } from 'node:crypto';
import type { Config } from './config.js';
import type { Caller } from './exchange.js';

/** Finds the caller that an API key belongs to. */
export interface Keyring {
  find(presented: string): Caller | null;
}

/**
 * Compares digests of equal length in constant time, and always all of them, so that neither the time nor the
 * position of a match tells anything about a key.
 */
export function createKeyring(keys: Config['keys']): Keyring {
  const entries = keys.map((key) => ({
    digest: digest(key.key),
    caller: {
      name: key.name,
      scopes: new Set<string>(key.scopes),
      routes: key.routes === null ? null : new Set(key.routes),
      limits: key.limits,
    },
  }));
  return {
    find(presented) {
      const wanted = digest(presented);
      let found: Caller | null = null;
      for (const entry of entries) {
        if (timingSafeEqual(entry.digest, wanted)) found = entry.caller;
      }
      return found;
    },
  };
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
