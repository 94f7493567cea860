import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
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

/** By these a proxy says whom it speaks for. `via` only names the proxy, which speaks for somebody all the same. */
const forwardingHeaders =
  /^(forwarded|via|x-forwarded-.+|x-real-ip|(x-|true-|fastly-|x-cluster-)?client-ip|cf-connecting-ip)$/;

/**
 * Whether a request comes from this machine: its connection has a loopback address, and no proxy says that it
 * speaks for somebody else.
 */
export function isLocalCaller(address: string | undefined, headers: IncomingHttpHeaders): boolean {
  return isLoopback(address) && !Object.keys(headers).some((name) => forwardingHeaders.test(name));
}

/** Whether an IP address is 127.0.0.0/8 or ::1, also when IPv4 is mapped into IPv6. */
export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  const ip = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
  return ip === '::1' || /^127(\.\d{1,3}){3}$/.test(ip);
}
