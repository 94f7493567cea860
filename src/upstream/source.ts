import { Readable } from 'node:stream';

/** A piece of a body and the milliseconds before it. */
export interface SourceChunk {
  text: string;
  delay: number;
}

/**
 * A body that produces its chunks one by one, each only when the one before was taken, so that a slow reader slows it
 * down. It ends after the last chunk, or breaks with `failure` if there is one. An abort destroys it with the
 * signal's reason; destroying it leaves neither timer nor listener behind.
 */
export function createSource(chunks: SourceChunk[], failure: Error | null, signal: AbortSignal): Readable {
  let next = 0;
  let timer: NodeJS.Timeout | undefined;

  const body = new Readable({
    // One chunk at a time: a failure discards what is still buffered, so nothing may be buffered ahead of it.
    highWaterMark: 1,
    read() {
      const chunk = chunks[next++];
      if (chunk) later(chunk.delay, () => body.push(chunk.text));
      else if (failure) body.destroy(failure);
      else body.push(null);
    },
    destroy(error, done) {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      done(error);
    },
  });

  function later(ms: number, act: () => void): void {
    if (ms > 0) timer = setTimeout(act, ms);
    else act();
  }

  function abort(): void {
    const { reason } = signal;
    body.destroy(reason instanceof Error ? reason : new Error('aborted', { cause: reason }));
  }

  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return body;
}
