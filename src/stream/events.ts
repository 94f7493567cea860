import { findError, readError, type StreamError } from './event-error.js';
import { isRecord, recordOf, textOf } from './json.js';
import { readUsage, type Usage } from './usage.js';

/** What one event says. */
export interface EventReading {
  content: boolean;
  /** Bytes of generated text in it. */
  textBytes: number;
  terminated: boolean;
  finishReason: string | null;
  /** The indexes of the choices that say how they ended. A choice without an index is the first. */
  ended: number[];
  usage: Usage | null;
  error: StreamError | null;
  id: string | null;
  model: string | null;
  /** A chat chunk without choices that exists to carry the usage. */
  usageOnly: boolean;
}

/** The responses API announces a generation with these; none of them carries any of it. */
const ANNOUNCEMENTS = new Set([
  'response.created',
  'response.in_progress',
  'response.queued',
  'response.content_part.added',
  'response.reasoning_summary_part.added',
]);
const FINAL_RESPONSE = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
  'response.cancelled',
]);
/** The final events of the streams that end without `[DONE]` and are no responses. */
const FINAL_OTHER = new Set(['transcript.text.done', 'speech.audio.done']);
/** Each ends one image. Whether it was the last one only the end of the stream tells. */
const IMAGE_DONE = new Set(['image_generation.completed', 'image_edit.completed']);
/** The Assistants API announces runs, steps and messages with these. `[DONE]` ends its streams. */
const THREAD_ANNOUNCEMENT = /^thread\.(?:created|.*\.(?:created|queued|in_progress|cancelling))$/;
/** A run has ended, or waits for the results of tools in a request of their own. */
const RUN_OVER = /^thread\.run\.(?:completed|incomplete|cancelled|expired|requires_action)$/;
const PINGS = new Set(['ping', 'keepalive', 'heartbeat']);

/** An event that only keeps the connection open. */
export function isPing(type: string | null): boolean {
  return type !== null && PINGS.has(type);
}

/** Reads one parsed event, `event` being its SSE type. Total: any JSON value gives an answer. */
export function readEvent(body: unknown, event: string | null): EventReading {
  const reading = blank();
  if (!isRecord(body)) {
    if (event === 'error') reading.error = readError(body, null);
    else reading.content = !isPing(event);
    return reading;
  }
  // A step of a thread's run has a `type` that is about the step, not about the event.
  const type = event?.startsWith('thread.') ? event : (textOf(body.type) ?? event);
  const response = recordOf(body.response);
  reading.usage = readUsage(body);
  reading.id = textOf(body.id) ?? textOf(response.id);
  reading.model = textOf(body.model) ?? textOf(response.model);
  reading.error = findError(body, type, event);
  if (Array.isArray(body.choices)) readChoices(body.choices, reading);
  else if (type?.startsWith('response.')) readResponseEvent(type, body, response, reading);
  else if (type?.startsWith('thread.')) readThreadEvent(type, body, reading);
  else readOther(type, body, reading);
  // An error before content must leave the way to another target open.
  if (reading.error) {
    reading.content = false;
    reading.usageOnly = false;
  }
  return reading;
}

function blank(): EventReading {
  return {
    content: false,
    textBytes: 0,
    terminated: false,
    finishReason: null,
    ended: [],
    usage: null,
    error: null,
    id: null,
    model: null,
    usageOnly: false,
  };
}

function readChoices(choices: unknown[], reading: EventReading): void {
  if (choices.length === 0) reading.usageOnly = reading.usage !== null;
  for (const choice of choices) {
    if (!isRecord(choice)) {
      reading.content = true;
      continue;
    }
    const finishReason = textOf(choice.finish_reason);
    if (finishReason) {
      reading.finishReason = finishReason;
      reading.ended.push(typeof choice.index === 'number' ? choice.index : 0);
      reading.content = true;
    }
    if (textOf(choice.text)) {
      reading.content = true;
      reading.textBytes += sizeOf(choice.text);
    }
    // A message instead of a delta is a whole answer that some servers send as a stream of one chunk.
    readDelta(choice.delta ?? choice.message, reading);
  }
}

/** Whatever a delta says besides its role is content: tool calls, reasoning, audio, and what is yet to be invented. */
function readDelta(delta: unknown, reading: EventReading): void {
  if (!isRecord(delta)) {
    if (!isEmpty(delta)) reading.content = true;
    return;
  }
  for (const [key, value] of Object.entries(delta)) {
    if (key === 'role' || isEmpty(value)) continue;
    reading.content = true;
    if (key === 'audio') reading.textBytes += sizeOf(recordOf(value).transcript);
    else if (key !== 'images') reading.textBytes += sizeOf(value);
  }
}

function readResponseEvent(
  type: string,
  body: Record<string, unknown>,
  response: Record<string, unknown>,
  reading: EventReading,
): void {
  if (FINAL_RESPONSE.has(type)) {
    reading.terminated = true;
    reading.content = true;
    reading.finishReason = textOf(response.status) ?? type.slice('response.'.length);
    return;
  }
  if (ANNOUNCEMENTS.has(type)) return;
  if (type === 'response.output_item.added') {
    const item = textOf(recordOf(body.item).type);
    reading.content = item !== 'message' && item !== 'reasoning';
    return;
  }
  reading.content = true;
  if (type.endsWith('.delta') && !type.includes('audio.delta')) reading.textBytes = sizeOf(body.delta);
}

function readThreadEvent(type: string, body: Record<string, unknown>, reading: EventReading): void {
  // A thread, a step and a message have ids of their own, and a step counts a part of its run's tokens.
  if (body.object !== 'thread.run') {
    reading.id = null;
    reading.usage = null;
  }
  reading.content = !THREAD_ANNOUNCEMENT.test(type);
  if (type.endsWith('.delta')) reading.textBytes = sizeOf(body.delta);
  if (RUN_OVER.test(type)) reading.finishReason = textOf(body.status) ?? type.slice('thread.run.'.length);
}

function readOther(type: string | null, body: Record<string, unknown>, reading: EventReading): void {
  if (isPing(type)) return;
  reading.content = true;
  if (type === null) return;
  if (FINAL_OTHER.has(type)) reading.terminated = true;
  if (IMAGE_DONE.has(type)) reading.finishReason = 'completed';
  if (type.endsWith('.delta')) reading.textBytes = sizeOf(body.delta);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true;
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0;
}

/** Deep enough for the arguments of a tool call in a step of a run, shallow enough for any stack. */
const DEPTH = 6;
const NOT_GENERATED = new Set(['id', 'type']);

/** Bytes of all the strings in a value that a model wrote. */
function sizeOf(value: unknown, depth = DEPTH): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (depth === 0 || typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce(
    (sum, [key, part]) => (NOT_GENERATED.has(key) ? sum : sum + sizeOf(part, depth - 1)),
    0,
  );
}
