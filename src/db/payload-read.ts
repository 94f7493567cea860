import { isUtf8 } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import type { Database } from 'better-sqlite3';
import type { StoredPayload, StoredPayloads } from './answers.js';

interface CaptureRow {
  kind: string;
  node: number;
  split: number;
  bytes: number;
  truncated: number;
}

interface PieceRow {
  encoding: string;
  body: Buffer;
}

/** Prepares the reading of what is stored of an exchange's bodies. */
export function preparePayloadReader(client: Database): (exchangeSeq: number) => StoredPayloads {
  const find = client.prepare<[number], CaptureRow>(
    'select kind, node, split, bytes, truncated from captures where exchange_seq = ?',
  );
  const piecesOf = client.prepare<[number], PieceRow>(
    `with recursive path(seq, parent, piece, place) as (
       select seq, parent, piece, 0 from capture_nodes where seq = ?
       union all
       select node.seq, node.parent, node.piece, place + 1
       from path join capture_nodes as node on node.seq = path.parent
     )
     select encoding, body from path join capture_pieces on capture_pieces.seq = path.piece order by place desc`,
  );

  return (exchangeSeq) => {
    const stored: StoredPayloads = { request: null, response: null, events: null };
    for (const { kind, node, split, bytes, truncated } of find.all(exchangeSeq)) {
      const [shell = Buffer.alloc(0), ...pieces] = piecesOf.all(node).map(contentOf);
      const body = Buffer.concat([shell.subarray(0, split), ...pieces, shell.subarray(split)]);
      if (isKind(kind)) stored[kind] = shown(body, bytes, truncated === 1);
    }
    return stored;
  };
}

function contentOf({ encoding, body }: PieceRow): Buffer {
  return encoding === 'gzip' ? gunzipSync(body) : body;
}

function isKind(kind: string): kind is keyof StoredPayloads {
  return kind === 'request' || kind === 'response' || kind === 'events';
}

function shown(body: Buffer, bytes: number, truncated: boolean): StoredPayload {
  const encoding = isUtf8(body) ? 'text' : 'base64';
  return { encoding, body: body.toString(encoding === 'text' ? 'utf8' : 'base64'), bytes, truncated };
}
