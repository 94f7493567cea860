import { hash, timingSafeEqual } from 'node:crypto';
import type { KeyConfig } from './config.js';
import type { Caller } from './exchange.js';
import { callerOf } from './keys/caller.js';

/** A key of the configuration and whom it belongs to. */
export interface RingEntry {
  readonly caller: Caller;
  readonly terms: KeyConfig;
}

/** Finds the caller that an API key of the configuration belongs to. */
export interface Keyring {
  find(presented: string): RingEntry | null;
  readonly entries: readonly RingEntry[];
}

/**
 * Compares digests of equal length in constant time, and always all of them, so that neither the time nor the
 * position of a match tells anything about a key.
 */
export function createKeyring(keys: readonly KeyConfig[]): Keyring {
  const entries = keys.map((terms) => ({
    digest: digest(terms.key),
    caller: callerOf(terms.name, terms),
    terms,
  }));
  return {
    entries,
    find(presented) {
      const wanted = digest(presented);
      let found: RingEntry | null = null;
      for (const entry of entries) {
        if (timingSafeEqual(entry.digest, wanted)) found = entry;
      }
      return found;
    },
  };
}

function digest(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}
