import { hash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Database } from 'better-sqlite3';
import { createPreparation, type Payload, type PayloadRules, type StoredBody } from '../payloads/prepare.js';
import { prepareInsert } from './rows.js';
import { captureNodes, capturePieces, captures } from './schema.js';

export { type Payload, type PayloadRules, PLAIN_RULES } from '../payloads/prepare.js';

/** Below this many bytes compression saves nothing. */
const COMPRESS_FROM = 256;

/**
 * Prepares the storing of the bodies of one exchange. What other bodies have too is stored once: a conversation's
 * messages when they first come, and then only which they are. Call the result inside the transaction that inserted
 * the exchange as `seq`.
 */
export function preparePayloads(
  client: Database,
  rules: PayloadRules,
): (seq: number, payloads: readonly Payload[]) => void {
  const bodiesOf = createPreparation(rules);
  const saveBody = prepareBodies(client);

  return (seq, payloads) => {
    for (const payload of payloads) {
      for (const body of prepared(payload)) saveBody(seq, body);
    }
  };

  /** A body that cannot be prepared must not cost its exchange, nor hold up the ones behind it. */
  function prepared(payload: Payload): StoredBody[] {
    try {
      return bodiesOf(payload);
    } catch {
      return [];
    }
  }
}

function prepareBodies(client: Database): (seq: number, body: StoredBody) => void {
  const findPiece = client.prepare<[Buffer], number>('select seq from capture_pieces where hash = ?').pluck();
  const findNode = client
    .prepare<[number, number], number>('select seq from capture_nodes where parent = ? and piece = ?')
    .pluck();
  const insertPiece = prepareInsert(client, capturePieces, { omit: 'seq' });
  const insertNode = prepareInsert(client, captureNodes, { omit: 'seq' });
  const insertCapture = prepareInsert(client, captures);

  return (exchangeSeq, { kind, shell, at, pieces, bytes, truncated }) => {
    let node = 0;
    for (const piece of [shell, ...pieces]) node = nodeOf(node, pieceOf(piece));
    insertCapture({ exchangeSeq, kind, node, split: at, bytes, truncated });
  };

  function pieceOf(content: Buffer): number {
    const digest = hash('sha256', content, 'buffer');
    const known = findPiece.get(digest);
    if (known !== undefined) return known;
    const compressed = content.length < COMPRESS_FROM ? content : gzipSync(content, { level: 1 });
    const smaller = compressed.length < content.length;
    return insertPiece({
      hash: digest,
      encoding: smaller ? 'gzip' : 'identity',
      body: smaller ? compressed : content,
    });
  }

  function nodeOf(parent: number, piece: number): number {
    return findNode.get(parent, piece) ?? insertNode({ parent, piece });
  }
}
