import { createCutter } from './cutter.js';
import { createFramer } from './framer.js';
import { mentionsUsage, nullUsages, withoutNullUsage } from './null-usage.js';
import { createObserver, type StreamFacts } from './observer.js';
import { createRoutine } from './routine.js';

export type { StreamFacts } from './observer.js';

export interface TapOptions {
  /**
   * Remove the chunk that carries nothing but usage, and the `usage: null` of the others, because the gateway asked for
   * the usage and the client did not.
   */
  stripUsage: boolean;
  /** Whether every event of this API is JSON, so that one that is not is a fault. Default false. */
  json?: boolean;
  /** How many choices a chat stream is to hold: it is finished when each has said how it ended. Default 1. */
  choices?: number;
  /** An event above this many bytes is relayed as it comes, and only its two ends are read. Default 1 MiB. */
  maxEventBytes?: number;
}

/**
 * Bytes through, facts out. An unfinished event is held back: no client can use half of one, and when the answer
 * breaks off there, what tells the client so must not follow half an event.
 */
export interface Tap {
  /** Up to date after every `write` and `end`. */
  readonly facts: Readonly<StreamFacts>;
  /** What may go to the client now: the same Buffer when it is one of which nothing was removed or held back. */
  write(...chunks: readonly Buffer[]): Buffer;
  /** The upstream's body is over. Returns what was held back; the facts include an event cut short. */
  end(): Buffer;
}

const MAX_EVENT_BYTES = 1_048_576;
/** An unfinished event up to this size is looked at again from its beginning when more of it comes. */
const MAX_AGAIN_BYTES = 4096;
const LF = 10;
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
  const { stripUsage, maxEventBytes = MAX_EVENT_BYTES } = options;
  const observer = createObserver(options.json ?? false, options.choices ?? 1);
  const { facts } = observer;
  const cutter = createCutter();
  const routine = createRoutine();
  let writing: Buffer = NOTHING;
  /** Where the present block begins in what is being written; -1 when it began before. */
  let blockStart = -1;
  let isOrdinary = false;
  let usageOnly = false;
  let mentioned = false;
  let failed = false;
  /** A block has ended, and the next one has not begun. */
  let isBetween = false;

  const framer = createFramer({
    maxEventBytes,
    onEvent(data, event, complete) {
      usageOnly = observer.observe(data, event, complete) && stripUsage;
      isOrdinary = observer.wasOrdinary();
      mentioned = stripUsage && mentionsUsage(data);
    },
    onOversize: observer.oversize,
    onOversizeEnd: observer.oversizeEnd,
    onBoundary(end) {
      // Of an error the client hears once, and of what follows it nothing.
      const isCut = usageOnly || failed || facts.malformed;
      cutter.boundary(end, isCut ? 'nothing' : mentioned ? 'all but null usage' : 'all');
      if (isOrdinary && blockStart !== -1) learn(writing.subarray(blockStart, end));
      blockStart = end;
      failed = facts.error !== null;
      isOrdinary = false;
      usageOnly = false;
      mentioned = false;
    },
    passBy(bytes, from) {
      if (isNewsOver()) return from;
      if (bytes === writing) return routine.passBy(bytes, from, facts, cutter.removed);
      // A block that came in pieces.
      const end = routine.passBy(bytes, from, facts, []);
      if (end > from) mentioned = stripUsage;
      return end;
    },
  });

  function learn(block: Buffer): void {
    routine.learn(block, mentioned ? nullUsages(block) : []);
  }

  /** Whether nothing that follows counts. */
  function isNewsOver(): boolean {
    return observer.isDone() || facts.error !== null || facts.malformed;
  }

  function write(...chunks: readonly Buffer[]): Buffer {
    const chunk = contiguous(chunks);
    if (chunk.length === 0) return chunk;
    // Most chunks are nothing but events that are known, and the rest of the machinery need not be touched.
    const from = isBetween ? routine.passBy(chunk, 0, facts, cutter.removed) : 0;
    if (from === chunk.length && cutter.removed.length === 0) return chunk;
    // What follows `[DONE]` is no event of this answer, and nothing is held back by then.
    if (observer.isDone()) return chunk;
    const wasSkipping = framer.isSkipping();
    writing = chunk;
    blockStart = framer.isBetween() ? from : -1;
    cutter.begin(chunk);
    if (from > 0) cutter.boundary(from, 'all');
    framer.write(chunk, from);
    const out = cutter.flush(isReleased());
    writing = NOTHING;
    // A LF behind a CR would belong to what was before.
    isBetween = framer.isBetween() && chunk[chunk.length - 1] === LF && !isNewsOver();
    return stripUsage && (wasSkipping || framer.isSkipping()) ? withoutNullUsage(out) : out;
  }

  /** In one piece with the beginning of their first event, which is the shortest way to know it as a whole. */
  function contiguous(chunks: readonly Buffer[]): Buffer {
    const [first = NOTHING] = chunks;
    if (isBetween) return chunks.length < 2 ? first : Buffer.concat(chunks);
    const again = cutter.heldBytes() > 0 && cutter.heldBytes() <= MAX_AGAIN_BYTES && !framer.isSkipping();
    if (!again) return chunks.length < 2 ? first : Buffer.concat(chunks);
    if (chunks.length === 1 && first.length === 0) return first;
    framer.retract();
    return Buffer.concat([cutter.take(), ...chunks]);
  }

  /** Whether unfinished bytes may go out: within an event too large to be held, and after the last one. */
  function isReleased(): boolean {
    return (framer.isSkipping() || observer.isDone()) && !failed && !facts.malformed;
  }

  function end(): Buffer {
    if (!observer.isDone()) framer.end();
    const held = cutter.take();
    if (usageOnly) return NOTHING;
    return stripUsage ? withoutNullUsage(held) : held;
  }

  return { facts, write, end };
}
