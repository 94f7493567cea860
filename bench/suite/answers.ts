/**
 * What the scripted provider can be asked for, by a word at the beginning of the first message: `@json600`, `@burst100`,
 * `@chunks1000`, `@nulls1000`, `@paced100:17`. Everything is made once and sent as it is.
 */
export interface Script {
  readonly kind: 'json' | 'burst' | 'chunks' | 'nulls' | 'paced';
  /** Bytes of an answer, or content events of a stream. */
  readonly size: number;
}

const CRLF = '\r\n';
/** A proxy on the way that reads more than one event at a time passes on about so much. */
const COALESCED_BYTES = 16 * 1024;

const meta = { id: 'chatcmpl-bench000000000000000000', created: 1_700_000_000, model: 'bench-2024-01-01' };
const usage = { prompt_tokens: 210, completion_tokens: 100, total_tokens: 310 };

const headers = [
  'date: Tue, 14 Nov 2023 22:13:20 GMT',
  'x-request-id: req_0123456789abcdef0123456789abcdef',
  'openai-processing-ms: 12',
];

function headOf(status: string, more: readonly string[]): string {
  return [`HTTP/1.1 ${status}`, ...headers, ...more, '', ''].join(CRLF);
}

/** A whole answer with a body of exactly so many bytes. */
export function jsonAnswer(bytes: number): Buffer {
  const body = (content: string) =>
    JSON.stringify({
      ...meta,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage,
    });
  const text = body('a'.repeat(bytes - body('').length));
  return Buffer.from(jsonHead('200 OK', text.length) + text);
}

/** An error, without a hint when to come back. */
export function errorAnswer(status: string, code: string): Buffer {
  const text = JSON.stringify({
    error: { message: 'Asked for by the benchmark.', type: code, param: null, code },
  });
  return Buffer.from(jsonHead(status, text.length) + text);
}

function jsonHead(status: string, length: number): string {
  return headOf(status, ['content-type: application/json', `content-length: ${length}`]);
}

export const streamHead = headOf('200 OK', [
  'content-type: text/event-stream; charset=utf-8',
  'cache-control: no-cache',
  'transfer-encoding: chunked',
]);

/** The pieces of a stream. `beginning` holds the role and the first content, as they leave most providers together. */
export interface StreamParts {
  readonly beginning: string;
  readonly next: string;
  readonly end: string;
}

/** With `usage` null in every event, as OpenAI sends it when usage was asked for. */
function eventsWith(nulls: boolean, asked: boolean): StreamParts {
  const event = (delta: Record<string, string>, finish: string | null = null) =>
    data({
      ...meta,
      object: 'chat.completion.chunk',
      system_fingerprint: null,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(nulls && asked && { usage: null }),
    });
  const last = asked ? data({ ...meta, object: 'chat.completion.chunk', choices: [], usage }) : '';
  return {
    beginning: event({ role: 'assistant', content: '' }) + event({ content: 'Hello' }),
    next: event({ content: ' token' }),
    end: `${event({}, 'stop')}${last}data: [DONE]\n\n`,
  };
}

function data(json: unknown): string {
  return `data: ${JSON.stringify(json)}\n\n`;
}

/** One chunk of the chunked coding. */
export function chunk(text: string): string {
  return `${text.length.toString(16)}${CRLF}${text}${CRLF}`;
}

export const lastChunk = `0${CRLF}${CRLF}`;

/** How many events a client receives that asked for this one and not for the usage. */
export function eventCount(script: Script): number {
  return script.size + 3;
}

/** The events of a stream; `asked` says whether the request asked for the usage. */
export function streamParts(kind: Script['kind'], asked: boolean): StreamParts {
  return eventsWith(kind === 'nulls', asked);
}

/** A stream that leaves in one burst. */
export function burstAnswer({ kind, size }: Script, asked: boolean): Buffer {
  const { beginning, next, end } = streamParts(kind, asked);
  const events = [beginning, ...Array.from({ length: size - 1 }, () => next), end];
  const pieces = kind === 'chunks' ? events : slices(events.join(''), COALESCED_BYTES);
  return Buffer.from(streamHead + pieces.map(chunk).join('') + lastChunk);
}

function slices(text: string, length: number): string[] {
  const count = Math.ceil(text.length / length);
  return Array.from({ length: count }, (_, index) => text.slice(index * length, (index + 1) * length));
}
