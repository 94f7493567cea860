import { type Exchange, sinceStart } from '../exchange.js';

const FIRST_MS = 250;
const MAX_MS = 8_000;
/** A target that asks for more than this is not waited for: the caller's own patience decides. */
const MAX_ASKED_MS = 10_000;

/**
 * Milliseconds before the targets of an exchange are tried again: half of 250 ms, 500 ms, 1 s … is certain, the other
 * half up to chance, so that many exchanges do not come back at once. `asked` is what the targets ask for at least, 0 if
 * one of them asks for nothing. Null when that is longer than anybody should wait here.
 */
export function backoff(round: number, asked: number, random: number): number | null {
  if (asked > MAX_ASKED_MS) return null;
  const longest = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(round, 20));
  return Math.max(asked, Math.round(longest * (0.5 + random / 2)));
}

/** Waits, unless the exchange is told to stop. The time is the upstreams': without their failures there was no wait. */
export function pause(exchange: Exchange, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const startedUs = sinceStart(exchange);
    const timer = setTimeout(go, ms);
    exchange.onCancel = go;

    function go(): void {
      clearTimeout(timer);
      exchange.onCancel = null;
      exchange.upstreamUs += sinceStart(exchange) - startedUs;
      resolve();
    }
  });
}
