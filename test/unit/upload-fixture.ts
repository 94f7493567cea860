import { readdirSync, readlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import type { SpoolOptions } from '../../src/upload/spool.js';

/** What is in the folder, by name or only by an open handle; handles are seen on Linux only. */
export function leftIn(folder: string): string[] {
  return [...readdirSync(folder), ...openFiles().filter((path) => path.startsWith(folder))];
}

function openFiles(): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)];
    } catch {
      return []; // The handle that lists the folder is gone by now.
    }
  });
}

/** What every file handle inherits from, so that a test can have writes fail. */
export async function fileHandles(): Promise<FileHandle> {
  const handle = await open(process.execPath);
  await handle.close();
  return Object.getPrototypeOf(handle);
}

/** The bytes in pieces, cut at positions from 0 to 1 of the whole. */
export function cut(bytes: Buffer, positions: readonly number[]): Buffer[] {
  const offsets = positions.map((position) => Math.round(position * bytes.length)).sort((a, b) => a - b);
  return [...offsets, bytes.length].map((offset, index) => bytes.subarray(offsets[index - 1] ?? 0, offset));
}

export const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

export async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A source of bytes, not of objects, like a request. */
export function sourceOf(pieces: Iterable<Buffer>): Readable {
  return Readable.from(pieces, { objectMode: false });
}

export function spoolOptions(folder: string, more: Partial<SpoolOptions> = {}): SpoolOptions {
  return { limit: 100 * 1024 * 1024, memory: 4, folder, ...more };
}

/** Every write of a file goes through `write` from now on. */
export async function withWrites(
  context: TestContext,
  write: (...args: unknown[]) => Promise<unknown>,
): Promise<void> {
  context.mock.method(await fileHandles(), 'write', write as never);
}
