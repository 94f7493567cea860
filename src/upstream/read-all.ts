import type { Readable } from 'node:stream';

/** All bytes of a body. Rejects when it breaks off, ends early, or is longer than `limit` bytes. */
export function readAll(body: Readable, limit: number, onRead?: () => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    body.on('data', (chunk: Buffer) => {
      onRead?.();
      length += chunk.length;
      if (length > limit) body.destroy(new Error(`The upstream's answer is larger than ${limit} bytes.`));
      else chunks.push(chunk);
    });
    body.on('end', () =>
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
    );
    body.on('error', reject);
    body.on('close', () => reject(new Error('The upstream closed the connection.')));
  });
}
