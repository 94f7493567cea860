import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { passedBy } from './collect.js';
import { drain } from './drain.js';
import { UploadError } from './error.js';
import { createSpooled, inMemory, type Spooled } from './spooled.js';
import { openTemporaryFile, type TemporaryFile } from './temporary-file.js';

const FIRST_BYTES = 16 * 1024;

export interface SpoolOptions {
  /** The most bytes that are taken. */
  limit: number;
  /** How many bytes are held in memory, before a file takes them. */
  memory: number;
  /** Sees every chunk first; what it throws ends the reading. */
  onChunk?: ((chunk: Buffer) => void) | undefined;
  /** Ends the reading. */
  signal?: AbortSignal | undefined;
  /** Where the file is made; the system's temporary folder by default. */
  folder?: string | undefined;
}

/**
 * Receives `source` whole: in memory as far as that is allowed, beyond that in a temporary file, and no faster than the disk
 * takes it. When it fails, nothing is left behind; the source is left paused, for its owner to answer and to close.
 *
 * @throws UploadError of kind `too_large`, `incomplete`, `aborted` or `storage`, or whatever `onChunk` throws
 */
export async function spool(source: Readable, options: SpoolOptions): Promise<Spooled> {
  const { limit, onChunk } = options;
  const stage = createStage(options.memory, options.folder ?? tmpdir());
  let bytes = 0;
  try {
    await drain(
      source,
      (chunk) => {
        bytes += chunk.length;
        if (bytes > limit) throw new UploadError('too_large', `The upload is larger than ${limit} bytes.`);
        onChunk?.(chunk);
        passedBy(chunk.length);
        return stage.add(chunk);
      },
      options.signal,
    );
    return createSpooled(await stage.finish(), bytes);
  } catch (error) {
    await stage.discard();
    throw error;
  }
}

/** Collects bytes in one buffer, and moves them to a file whenever it is full. */
function createStage(memory: number, folder: string) {
  let buffer = Buffer.alloc(0);
  let length = 0;
  let file: TemporaryFile | null = null;
  let writing = Promise.resolve();

  /** Copies, because a chunk of a few bytes may hold on to a buffer of 64 KiB. */
  function hold(chunk: Buffer): void {
    const needed = length + chunk.length;
    if (needed > buffer.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(memory, Math.max(needed, buffer.length * 2, FIRST_BYTES)),
      );
      buffer.copy(grown, 0, 0, length);
      buffer = grown;
    }
    chunk.copy(buffer, length);
    length = needed;
  }

  async function moveToFile(chunk: Buffer): Promise<void> {
    file ??= await openTemporaryFile(folder);
    await file.append(buffer.subarray(0, length));
    length = 0;
    if (chunk.length > memory) await file.append(chunk);
    else hold(chunk);
  }

  return {
    /** A promise when the chunk has to be waited for. One at a time. */
    add(chunk: Buffer): Promise<void> | null {
      if (length + chunk.length > memory) {
        writing = moveToFile(chunk);
        return writing;
      }
      hold(chunk);
      return null;
    },
    async finish() {
      if (file === null) return inMemory(buffer.subarray(0, length));
      await file.append(buffer.subarray(0, length));
      return file;
    },
    /** Waits for a write under way, whose file may just be being opened. */
    async discard(): Promise<void> {
      await writing.catch(() => {});
      await file?.close();
    },
  };
}
