import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Database } from 'better-sqlite3';
import { prepareInsert } from './rows.js';
import { exchangePayloads, payloads } from './schema.js';

/** A captured body on its way to the ledger, as it was sent or received. */
export interface Payload {
  kind: 'request' | 'response';
  body: Uint8Array;
}

/** Below this many bytes compression saves nothing. */
const COMPRESS_FROM = 256;

/**
 * Prepares the storing of the bodies of one exchange, each content once. Call the result inside the transaction
 * that inserted the exchange as `seq`.
 */
export function preparePayloads(
  client: Database,
): (seq: number, createdAt: number, bodies: readonly Payload[]) => void {
  const known = client.prepare<[Buffer]>('select 1 from payloads where hash = ?');
  const insert = prepareInsert(client, payloads);
  const link = prepareInsert(client, exchangePayloads);

  return (seq, createdAt, bodies) => {
    for (const { kind, body } of bodies) {
      const hash = createHash('sha256').update(body).digest();
      if (!known.get(hash)) {
        const compressed = body.byteLength < COMPRESS_FROM ? null : gzipSync(body, { level: 1 });
        const smaller = compressed !== null && compressed.byteLength < body.byteLength;
        insert({
          hash,
          encoding: smaller ? 'gzip' : 'identity',
          bytes: body.byteLength,
          body: smaller ? compressed : Buffer.from(body),
          createdAt,
        });
      }
      link({ exchangeSeq: seq, kind, hash });
    }
  };
}
