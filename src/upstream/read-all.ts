import type { Readable } from 'node:stream';
import { UnreadableAnswer } from './failure.js';

/** All bytes of a body. Rejects when it breaks off, ends early, or is longer than `limit` bytes. */
export function readAll(body: Readable, limit: number, onRead?: () => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    body.on('data', (chunk: Buffer) => {
      onRead?.();
      length += chunk.length;
      if (length <= limit) chunks.push(chunk);
      else body.destroy(new UnreadableAnswer(`The upstream's answer is larger than ${limit} bytes.`));
    });
    body.on('end', () =>
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
    );
    body.on('error', reject);
    body.on('close', () => reject(new Error('The upstream closed the connection.')));
  });
}

/** An error body is for reading, not for storing; some upstreams repeat the whole request in it. */
const MAX_ERROR_BYTES = 64 * 1024 * 1024;
/** How long the text of an error is waited for: its status says enough to go on. */
const ERROR_BODY_MS = 5_000;

/** The bytes of an error answer, as far as they come. Never rejects: the status is known already. */
export function readError(body: Readable): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(done, ERROR_BODY_MS);
    body.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_ERROR_BYTES) done();
      else chunks.push(chunk);
    });
    body.on('end', done);
    body.on('error', done);
    body.on('close', done);

    function done(): void {
      clearTimeout(timer);
      if (!body.readableEnded) body.destroy();
      resolve(Buffer.concat(chunks));
    }
  });
}
