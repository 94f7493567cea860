import type { Readable } from 'node:stream';

/** How long an upstream may keep its connection open after the terminator before it is closed. */
const LINGER_MS = 1_000;

/** An answer is complete: lets the upstream end its side, so that the connection can be used again. */
export function linger(body: Readable): void {
  if (body.readableEnded || body.destroyed) return;
  const timer = setTimeout(() => body.destroy(), LINGER_MS);
  timer.unref();
  body.once('close', () => clearTimeout(timer));
  body.resume();
}
