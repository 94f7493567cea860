import { Readable } from 'node:stream';
import { passedBy } from './collect.js';
import type { TemporaryFile } from './temporary-file.js';

const READ_BYTES = 64 * 1024;

/** A body that was received whole and can be read again. */
export interface Spooled {
  /** How many there are. */
  readonly bytes: number;
  /**
   * The bytes from `start` up to, not including, `end`; all of them by default. May be called many times, before or after
   * another stream has ended. A stream has to be read to its end or destroyed. It fails with an UploadError of kind `storage`.
   * @throws RangeError outside of 0 to `bytes`
   * @throws Error after `discard`
   */
  read(start?: number, end?: number): Readable;
  /**
   * Gives everything back, once the streams that are open have ended or are destroyed; the promise waits for that and never
   * rejects. May be called again.
   */
  discard(): Promise<void>;
}

/** What holds the bytes: the memory, or a file. */
type Store = Pick<TemporaryFile, 'read' | 'close'>;

export function inMemory(content: Buffer): Store {
  let held = content;
  return {
    read: async (position, length) => held.subarray(position, position + length),
    async close() {
      held = Buffer.alloc(0);
    },
  };
}

export function createSpooled(store: Store, bytes: number): Spooled {
  let open = 0;
  let isDiscarded = false;
  let release: () => void;
  const closed = new Promise<void>((resolve) => {
    release = resolve;
  }).then(() => store.close());

  function readBetween(start: number, end: number): Readable {
    let position = start;
    open++;
    return new Readable({
      highWaterMark: READ_BYTES,
      read() {
        if (position === end) {
          this.push(null);
          return;
        }
        store.read(position, Math.min(READ_BYTES, end - position)).then(
          (chunk) => {
            position += chunk.length;
            passedBy(chunk.length);
            this.push(chunk);
          },
          (error) => this.destroy(error),
        );
      },
      destroy(error, callback) {
        open--;
        if (isDiscarded && open === 0) release();
        callback(error);
      },
    });
  }

  return {
    bytes,
    read(start = 0, end = bytes) {
      if (isDiscarded) throw new Error('The upload has been discarded.');
      if (!(start >= 0 && start <= end && end <= bytes))
        throw new RangeError(`There is nothing from ${start} to ${end} in ${bytes} bytes.`);
      return readBetween(start, end);
    },
    discard() {
      isDiscarded = true;
      if (open === 0) release();
      return closed;
    },
  };
}
