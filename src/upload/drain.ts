import type { Readable } from 'node:stream';
import { UploadError } from './error.js';

/**
 * Reads `source` to its end. `take` gets every chunk; when it returns a promise, the source waits for it.
 *
 * Rejects with what `take` threw or rejected with, or an UploadError of kind `incomplete` or `aborted`. The source is then
 * left paused and not destroyed, so that a server can still answer on the connection.
 */
export function drain(
  source: Readable,
  take: (chunk: Buffer) => Promise<void> | null,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let isBusy = false;
    let hasEnded = false;
    let isOver = false;

    if (signal?.aborted) return onAbort();
    if (source.destroyed || source.readableEnded) return onClose();
    source.on('data', onData);
    source.on('end', onEnd);
    source.on('error', onError);
    source.on('close', onClose);
    signal?.addEventListener('abort', onAbort);

    function onData(chunk: Buffer): void {
      try {
        const taken = take(chunk);
        if (taken === null) return;
        isBusy = true;
        source.pause();
        taken.then(onTaken, fail);
      } catch (error) {
        fail(error);
      }
    }

    function onTaken(): void {
      isBusy = false;
      if (isOver) return;
      if (hasEnded) succeed();
      else source.resume();
    }

    /** May come while the last chunk is still being taken, and over HTTP/2 for a request that was reset as well. */
    function onEnd(): void {
      if ('aborted' in source && source.aborted === true) {
        onClose();
        return;
      }
      hasEnded = true;
      if (!isBusy) succeed();
    }

    function onError(cause: Error): void {
      fail(new UploadError('incomplete', `The upload broke off: ${cause.message}`, { cause }));
    }

    function onClose(): void {
      if (!hasEnded) fail(new UploadError('incomplete', 'The upload broke off before its end.'));
    }

    function onAbort(): void {
      fail(new UploadError('aborted', 'The upload was aborted.', { cause: signal?.reason }));
    }

    function succeed(): void {
      stop();
      resolve();
    }

    function fail(error: unknown): void {
      stop();
      source.pause();
      // What the source still has to say concerns nobody, but without a listener it would end the process.
      source.on('error', () => {});
      reject(error);
    }

    function stop(): void {
      isOver = true;
      source.off('data', onData);
      source.off('end', onEnd);
      source.off('error', onError);
      source.off('close', onClose);
      signal?.removeEventListener('abort', onAbort);
    }
  });
}
