import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Ends the process quietly when what reads its output has had enough, as `head` does. Other commands of a pipe are
 * told by a signal, which Node turns into this error.
 */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}

/**
 * Writes, and waits while the reader is slow, but not once the signal is aborted. Rejects when it cannot be written.
 * Writing to a pipe blocks the process, so that signals are heard only afterwards.
 */
export async function write(stream: Writable, text: string, signal: AbortSignal): Promise<void> {
  const taken = stream.write(text);
  await nextTurn();
  if (taken || signal.aborted) return;
  try {
    await once(stream, 'drain', { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Is aborted by the first SIGINT or SIGTERM; a second one ends the process as usual. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort());
  return controller.signal;
}

/** Text of somebody else, without what would steer a terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
}
