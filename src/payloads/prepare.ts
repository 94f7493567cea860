import { assemble } from './assemble.js';
import { createRedactor, type RedactionRules } from './redact.js';
import { type SplitBody, splitBody } from './split.js';

/** A captured body on its way to the ledger, as it was sent or received. */
export interface Payload {
  kind: 'request' | 'response';
  body: Uint8Array;
  /** `events`: a stream of server-sent events, of which the assembled answer is stored. */
  form?: 'body' | 'events';
  /** How long all of it was, in bytes, when `body` is only the beginning. */
  bytes?: number;
}

/** How bodies are stored. */
export interface PayloadRules extends RedactionRules {
  /** The most that is stored of a body, in bytes. */
  readonly maxBytes: number;
  /** Keep the events of a stream too, beside the answer they make up. */
  readonly events: boolean;
}

/** Bodies as they are, but for what looks like a credential. */
export const PLAIN_RULES: PayloadRules = { maxBytes: 2 ** 20, events: false, paths: [], secrets: [] };

/** What a stored body is: `events` are those of a stream as they came. */
export type StoredKind = 'request' | 'response' | 'events';

/** A body in the form in which it is stored. */
export interface StoredBody extends SplitBody {
  kind: StoredKind;
  /** How long it was before anything was left out, in bytes. */
  bytes: number;
  truncated: boolean;
}

/** What is captured beyond `maxBytes`, so that a credential across the cut is seen whole. Bytes. */
export const CUT_SLACK = 4096;

/**
 * Prepares bodies for storing: streams assembled, credentials and configured paths left out, cut to `maxBytes`, split
 * into what other bodies may share. About 10 ms per megabyte: not for the event loop.
 */
export function createPreparation(rules: PayloadRules): (payload: Payload) => StoredBody[] {
  const redact = createRedactor(rules);
  const { maxBytes } = rules;

  function body(kind: StoredKind, given: Buffer, bytes: number, cutBefore: boolean): StoredBody {
    const shown = kind === 'events' ? redactEvents(given, redact) : redact(given);
    const kept = shown.length > maxBytes ? shown.subarray(0, wholeCharacters(shown, maxBytes)) : shown;
    return { kind, bytes, truncated: cutBefore || kept.length < shown.length, ...splitBody(kept) };
  }

  return ({ kind, form = 'body', body: given, bytes = given.byteLength }) => {
    const buffer = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
    const cut = bytes > buffer.length;
    if (form === 'body') return [body(kind, buffer, bytes, cut)];
    const answer = assemble(buffer);
    if (answer === null) return [body('events', buffer, bytes, cut)];
    const stored = [body(kind, answer, answer.length, cut)];
    if (rules.events) stored.push(body('events', buffer, bytes, cut));
    return stored;
  };
}

/** Line by line: an event's data is JSON of its own. */
function redactEvents(stream: Buffer, redact: (body: Buffer) => Buffer): Buffer {
  const text = stream.toString('latin1');
  const shown = text.replace(/^(data: ?)([[{].*)$/gm, (_line, field: string, data: string) => {
    return field + redact(Buffer.from(data, 'latin1')).toString('latin1');
  });
  return redact(Buffer.from(shown, 'latin1'));
}

/** The largest length up to `limit` that ends no UTF-8 character in its middle. */
function wholeCharacters(bytes: Buffer, limit: number): number {
  let end = limit;
  while (end > limit - 4 && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return end;
}
