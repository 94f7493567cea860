import { isRecord, recordOf, textOf } from './json.js';
import { readUsage, type Usage } from './usage.js';

/** An error that an upstream sent inside a 200. */
export interface StreamError {
  /** The HTTP status the error names, if it names one. */
  status: number | null;
  code: string | null;
  message: string;
  /** The event's parsed data, or its text when it is no JSON. */
  body: unknown;
}

/** What one event says. */
export interface EventReading {
  content: boolean;
  /** Bytes of generated text in it. */
  textBytes: number;
  terminated: boolean;
  finishReason: string | null;
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
const FINAL_OTHER = new Set([
  'transcript.text.done',
  'speech.audio.done',
  'image_generation.completed',
  'image_edit.completed',
]);
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
  const type = textOf(body.type) ?? event;
  const response = recordOf(body.response);
  reading.usage = readUsage(body);
  reading.id = textOf(body.id) ?? textOf(response.id);
  reading.model = textOf(body.model) ?? textOf(response.model);
  reading.error = findError(body, type, event);
  if (Array.isArray(body.choices)) readChoices(body.choices, reading);
  else if (type?.startsWith('response.')) readResponseEvent(type, body, response, reading);
  else readOther(type, reading);
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
    reading.textBytes += sizeOf(key === 'audio' ? recordOf(value).transcript : value);
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

function readOther(type: string | null, reading: EventReading): void {
  if (isPing(type)) return;
  reading.content = true;
  if (type !== null && FINAL_OTHER.has(type)) reading.terminated = true;
}

function findError(
  body: Record<string, unknown>,
  type: string | null,
  event: string | null,
): StreamError | null {
  if (isError(body.error)) return readError(body, body.error);
  if (type === 'response.failed') return readError(body, recordOf(body.response).error);
  // Groq reports under its own key, OpenRouter in the choice that failed, vLLM with the error as the object.
  const groq = recordOf(body.x_groq).error;
  if (isError(groq)) return readError(body, groq);
  for (const choice of Array.isArray(body.choices) ? body.choices : []) {
    const failure = recordOf(choice).error;
    if (isError(failure)) return readError(body, failure);
  }
  const whole = type === 'error' || event === 'error' || body.object === 'error';
  return whole ? readError(body, body) : null;
}

function isError(value: unknown): boolean {
  return isRecord(value) || textOf(value) !== null;
}

/** The common parts of an error, `error` being where they are inside the event's `body`. */
export function readError(body: unknown, error: unknown): StreamError {
  const fields = recordOf(error);
  const message =
    textOf(error) ??
    textOf(fields.message) ??
    textOf(body) ??
    'the upstream reported an error without a message';
  return {
    status:
      statusOf(fields.status_code) ??
      statusOf(fields.status) ??
      statusOf(fields.code) ??
      statusOf(recordOf(body).status_code),
    code: codeOf(fields.code) ?? textOf(fields.type) ?? textOf(fields.status),
    message,
    body,
  };
}

/** Providers put the status into `status`, `status_code` or `code`, as a number or as its digits. */
function statusOf(value: unknown): number | null {
  const status = typeof value === 'string' && /^[45]\d\d$/.test(value) ? Number(value) : value;
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status < 600
    ? status
    : null;
}

function codeOf(value: unknown): string | null {
  return typeof value === 'number' ? String(value) : textOf(value);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true;
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0;
}

/** Deep enough for a tool call's arguments, shallow enough for any stack. */
const DEPTH = 4;

/** Bytes of all the strings in a value. */
function sizeOf(value: unknown, depth = DEPTH): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (depth === 0 || typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, part) => sum + sizeOf(part, depth - 1), 0);
}
