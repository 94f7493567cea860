import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { UploadError } from './error.js';

/** A file of the gateway's own that nobody else can find. */
export interface TemporaryFile {
  /** Adds bytes at the end. One call at a time. */
  append(bytes: Buffer): Promise<void>;
  /** Up to `length` bytes from `position`, at least one. Calls may overlap. */
  read(position: number, length: number): Promise<Buffer>;
  /** Waits for reads and writes under way. Never rejects: there is nothing left to be done about it. */
  close(): Promise<void>;
}

/**
 * Opens a new file that only this user can read, and takes its name away at once where the platform lets it: then nothing
 * is left of it however the process ends.
 *
 * All its methods, like this function, reject with an UploadError of kind `storage`.
 */
export async function openTemporaryFile(folder: string): Promise<TemporaryFile> {
  const path = join(folder, `llm-gateway-${randomUUID()}`);
  const handle = await open(path, 'wx+', 0o600).catch((cause) => {
    throw storageError(folder, cause);
  });
  const isNamed = await unlink(path).then(
    () => false,
    () => true,
  );
  let size = 0;

  return {
    async append(bytes) {
      try {
        size += await writeAll(handle, bytes, size);
      } catch (cause) {
        throw storageError(folder, cause);
      }
    },
    async read(position, length) {
      try {
        const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafeSlow(length), 0, length, position);
        if (bytesRead === 0) throw new Error('the file has become shorter');
        return buffer.subarray(0, bytesRead);
      } catch (cause) {
        throw storageError(folder, cause);
      }
    },
    async close() {
      await handle.close().catch(() => {});
      if (isNamed) await unlink(path).catch(() => {});
    },
  };
}

/** A disk that is nearly full takes a part of the bytes before it refuses. */
async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<number> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new Error('nothing was written');
    done += bytesWritten;
  }
  return bytes.length;
}

function storageError(folder: string, cause: unknown): UploadError {
  // Node's text is "ENOSPC: no space left on device, write", sometimes with the path.
  const why = cause instanceof Error ? cause.message.replace(/, \w+( '.*)?$/s, '') : String(cause);
  const what = `An upload could not be kept in the temporary folder "${folder}": ${why}.`;
  return new UploadError('storage', `${what} Make room there, or name another folder with TMPDIR.`, {
    cause,
  });
}
