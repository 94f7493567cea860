import { createCutter } from './cutter.js';
import { createFramer } from './framer.js';
import { createObserver, type StreamFacts } from './observer.js';

export type { StreamFacts } from './observer.js';

export interface TapOptions {
  /** Remove the chunk that carries nothing but usage, because the gateway asked for it and the client did not. */
  stripUsage: boolean;
  /** An event above this many bytes is relayed, but not observed. Default 1 MiB. */
  maxEventBytes?: number;
}

/**
 * Bytes through, facts out. An unfinished event is held back: no client can use half of one, and when the answer
 * breaks off there, what tells the client so must not follow half an event.
 */
export interface Tap {
  /** Up to date after every `write` and `end`. */
  readonly facts: Readonly<StreamFacts>;
  /** What may go to the client now: the same Buffer when nothing was removed or held back. */
  write(chunk: Buffer): Buffer;
  /** The upstream's body is over. Returns what was held back; the facts include an event cut short. */
  end(): Buffer;
}

const MAX_EVENT_BYTES = 1_048_576;
const NOTHING = Buffer.alloc(0);

/**
 * Observes a stream of server-sent events on its way to the client. Never throws, whatever the bytes are.
 *
 * @example
 * const tap = createTap({ stripUsage: false });
 * for await (const chunk of upstream.body) client.write(tap.write(chunk));
 * client.end(tap.end());
 * tap.facts.usage?.outputText;
 */
export function createTap(options: TapOptions): Tap {
  const observer = createObserver();
  const cutter = createCutter();
  let usageOnly = false;

  const framer = createFramer({
    maxEventBytes: options.maxEventBytes ?? MAX_EVENT_BYTES,
    onEvent(data, event, complete) {
      usageOnly = observer.observe(data, event, complete) && options.stripUsage;
    },
    onOversize: observer.oversize,
    onBoundary(end) {
      cutter.boundary(end, usageOnly);
      usageOnly = false;
    },
  });

  function write(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    // What follows `[DONE]` is no event of this answer, and nothing is held back by then.
    if (observer.done) return chunk;
    cutter.begin(chunk);
    framer.write(chunk);
    return cutter.flush(framer.skipping || observer.done);
  }

  function end(): Buffer {
    if (!observer.done) framer.end();
    const held = cutter.end();
    return usageOnly ? NOTHING : held;
  }

  return { facts: observer.facts, write, end };
}
