import { readEvent } from './events.js';
import { isRecord } from './json.js';
import { noFacts } from './observer.js';
import type { Tap } from './tap.js';

/** A JSON answer above this size is passed on unread. */
const MAX_JSON_BYTES = 1_048_576;
const NOTHING: Buffer = Buffer.alloc(0);

export interface ByteTapOptions {
  /** Whether the bytes are JSON, which may tell what the exchange used. */
  json: boolean;
  /** Hold the last bytes back until the answer is known to be complete. */
  holdLast: boolean;
}

/** The counterpart of the tap for an answer that is no stream of events: bytes through, and its end is its end. */
export function createByteTap(options: ByteTapOptions): Tap {
  let kept: Buffer[] | null = options.json ? [] : null;
  let keptBytes = 0;
  let last = NOTHING;
  const facts = noFacts();

  function keep(chunk: Buffer): void {
    keptBytes += chunk.length;
    if (keptBytes > MAX_JSON_BYTES) kept = null;
    else kept?.push(chunk);
  }

  function read(): void {
    const body = kept === null ? null : parse(Buffer.concat(kept));
    kept = null;
    if (!isRecord(body)) return;
    const found = readEvent(body, null);
    facts.usage = found.usage;
    facts.responseId = found.id;
    facts.responseModel = found.model;
    facts.finishReason = found.finishReason;
  }

  return {
    facts,
    write(...chunks) {
      const [only] = chunks;
      const chunk = only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks);
      if (chunk.length > 0) facts.content = true;
      if (kept !== null) keep(chunk);
      if (!options.holdLast || chunk.length === 0) return chunk;
      const before = last;
      last = chunk;
      return before;
    },
    end() {
      facts.terminated = true;
      read();
      return last;
    },
  };
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}
