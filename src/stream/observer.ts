import { isPing, readError, readEvent, type StreamError } from './events.js';
import { isRecord } from './json.js';
import type { Usage } from './usage.js';

/** What a stream of events has told so far. */
export interface StreamFacts {
  /** The answer's first content was seen (or something we do not understand, which must not be held back). */
  content: boolean;
  /** `[DONE]` or the final event of an API that does not send it was seen. */
  terminated: boolean;
  /** Chat: the last `finish_reason`. Responses: the final status. */
  finishReason: string | null;
  /** The last one seen. */
  usage: Usage | null;
  /** The first error event. */
  error: StreamError | null;
  responseId: string | null;
  responseModel: string | null;
  /** Events with data, `[DONE]` included, what follows it not. */
  events: number;
  /** Roughly the bytes of generated text, without the JSON around it: a base for estimates of tokens. */
  contentBytes: number;
}

export interface Observer {
  readonly facts: StreamFacts;
  /** True after `[DONE]`. */
  readonly done: boolean;
  /** Takes one event in. True if it is the chunk that carries nothing but usage. */
  observe(data: Buffer, event: string | null, complete: boolean): boolean;
  /** An event too large to be read went by. */
  oversize(): void;
}

/**
 * What an event must contain to tell anything new once content has been seen; every other event is content or
 * noise. Keys are matched with their quotes, which text cannot contain unescaped, and a null value is no news.
 * The last alternative keeps this a superset for keys written with escapes.
 *
 * Cost, for a chat chunk of 270 bytes: 0.2 to 0.3 µs with the latin1 decoding, against 0.9 for a JSON.parse and 1.0
 * for four searches in the Buffer.
 */
const NEWS =
  /"(?:finish_reason|usage|error|response)"(?!\s*:\s*null)|"(?:transcript|speech|image_generation|image_edit)\.[a-z.]*(?:done|completed)"|\\u00[2-7]/;

/** Content events that are parsed to learn how many bytes of an event are not text. */
const SAMPLES = 2;
const DONE = '[DONE]';

export function createObserver(): Observer {
  const facts: StreamFacts = {
    content: false,
    terminated: false,
    finishReason: null,
    usage: null,
    error: null,
    responseId: null,
    responseModel: null,
    events: 0,
    contentBytes: 0,
  };
  let done = false;
  let chat = false;
  let samples = 0;
  let envelope = Number.POSITIVE_INFINITY;

  function observe(data: Buffer, event: string | null, complete: boolean): boolean {
    if (done) return false;
    facts.events++;
    if (isDone(data)) {
      done = true;
      facts.terminated = true;
      return false;
    }
    if (samples >= SAMPLES && event !== 'error') {
      const raw = data.toString('latin1');
      if (!NEWS.test(raw)) {
        if (chat || isDelta(raw, event)) facts.contentBytes += Math.max(0, data.length - envelope);
        return false;
      }
    }
    return read(data, event, complete);
  }

  function read(data: Buffer, event: string | null, complete: boolean): boolean {
    const text = data.toString('utf8');
    const body = parse(text);
    if (body === undefined) {
      if (event === 'error') facts.error ??= readError(text, null);
      else if (complete && text.trim() !== '' && !isPing(event)) facts.content = true;
      return false;
    }
    chat ||= isRecord(body) && 'choices' in body;
    const found = readEvent(body, event);
    if (found.content) facts.content = true;
    if (found.terminated) facts.terminated = true;
    facts.finishReason = found.finishReason ?? facts.finishReason;
    facts.usage = found.usage ?? facts.usage;
    facts.error ??= found.error;
    facts.responseId ??= found.id;
    facts.responseModel ??= found.model;
    facts.contentBytes += found.textBytes;
    if (found.textBytes > 0) {
      samples++;
      envelope = Math.min(envelope, data.length - found.textBytes);
    }
    return found.usageOnly;
  }

  return {
    facts,
    get done() {
      return done;
    },
    observe,
    oversize() {
      facts.events++;
      facts.content = true;
    },
  };
}

function isDone(data: Buffer): boolean {
  return data[0] === 91 && data.length < 64 && data.toString('latin1').startsWith(DONE);
}

/** The responses API repeats all of its text in `.done` events. */
function isDelta(raw: string, event: string | null): boolean {
  if (event?.startsWith('response.')) return event.endsWith('.delta');
  return !raw.includes('"type":"response.') || raw.includes('.delta"');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
