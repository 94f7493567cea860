import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { isRecord } from '../stream/json.js';
import { completion, completionEvents } from './echo-chat.js';
import { embeddings } from './echo-embeddings.js';
import { createSource } from './source.js';
import type { UpstreamRequest, UpstreamResponse } from './transport.js';

/** What echo is asked. */
type Asked = Omit<UpstreamRequest, 'cancel' | 'onSent'> & { signal: AbortSignal };

/** What it answers. */
export type Echoed = Omit<UpstreamResponse, 'body'> & { body: Readable };

/** How the built-in provider behaves. Durations are milliseconds. */
export interface EchoOptions {
  /** Wait before anything is answered, errors included. */
  latency: number;
  /** Wait before each word of a streamed answer. */
  wordDelay: number;
  /**
   * An HTTP status to answer with, `refuse` for a refused connection, `reset` for one that breaks off; null for none.
   */
  fail: null | number | 'refuse' | 'reset';
  /**
   * With `fail: 'reset'`: break off only after this many words of a stream (of an answer that is not streamed, after
   * half of it). Without it, `reset` breaks off before the answer.
   */
  failAfter: number | null;
  /** Seconds, sent as `retry-after` with a failing status. */
  retryAfter: number | null;
}

/** A request whose body is in memory. */
type EchoRequest = Asked & { body: Buffer | null };

const JSON_TYPE = 'application/json';

/**
 * A provider inside the process, for a first run and for tests: no network, and the same answer to the same bytes
 * (apart from `created`). `/chat/completions` repeats the last user message, `/embeddings` gives unit vectors,
 * anything else is a 404. What is wrong with a request is answered, as by a real provider; the promise rejects
 * only for `refuse` and `reset` (an Error with a `code`, as undici's) and, with the signal's reason, on abort.
 *
 * @example
 * const echo = createEcho({ latency: 0, wordDelay: 20, fail: null, failAfter: null, retryAfter: null });
 */
export function createEcho(options: EchoOptions): (request: Asked) => Promise<Echoed> {
  return async (request) => {
    await wait(options.latency, request.signal);
    const { fail, failAfter } = options;
    if (fail === 'refuse')
      throw connectionError('ECONNREFUSED', 'connect ECONNREFUSED: echo was told to refuse');
    if (fail === 'reset' && failAfter === null) throw resetError();
    if (typeof fail === 'number') return failure(request, fail, options.retryAfter);
    return answer(request, options);
  };
}

function answer({ body, ...rest }: Asked, options: EchoOptions): Echoed {
  // Forms and files: nothing here reads them.
  if (body !== null && !Buffer.isBuffer(body)) body.resume();
  const request = { ...rest, body: Buffer.isBuffer(body) ? body : null };
  if (request.path === '/chat/completions') return answerChat(request, options);
  if (request.path === '/embeddings') return answerEmbeddings(request, options);
  return problem(request, 404, `Unknown path: ${request.method} ${request.path}`, 'not_found');
}

function answerChat(request: EchoRequest, options: EchoOptions): Echoed {
  const body = parse(request.body);
  if (!body) return notJson(request);
  const id = `chatcmpl-echo-${hashOf(request.body)}`;
  const created = Math.floor(Date.now() / 1000);
  if (body.stream !== true) return whole(request, completion(body, id, created), options);
  const { before, words, after } = completionEvents(body, id, created);
  const broken = options.fail === 'reset';
  const steps = broken ? words.slice(0, options.failAfter ?? 0) : words;
  const chunks = [
    { text: before, delay: 0 },
    ...steps.map((text) => ({ text, delay: options.wordDelay })),
    ...(broken ? [] : after.map((text) => ({ text, delay: 0 }))),
  ];
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' },
    body: createSource(chunks, broken ? resetError() : null, request.signal),
  };
}

function answerEmbeddings(request: EchoRequest, options: EchoOptions): Echoed {
  const body = parse(request.body);
  if (!body) return notJson(request);
  const result = embeddings(body);
  if (typeof result === 'string') return problem(request, 400, result, null);
  return whole(request, result, options);
}

function whole(request: Asked, value: unknown, options: EchoOptions): Echoed {
  const text = JSON.stringify(value);
  const broken = options.fail === 'reset';
  const sent = broken ? text.slice(0, text.length >> 1) : text;
  return {
    status: 200,
    headers: { 'content-type': JSON_TYPE, 'content-length': String(Buffer.byteLength(text)) },
    body: createSource([{ text: sent, delay: 0 }], broken ? resetError() : null, request.signal),
  };
}

function failure(request: Asked, status: number, retryAfter: number | null): Echoed {
  const response = problem(request, status, `echo was told to fail with ${status}`, codeOf(status));
  if (retryAfter !== null) response.headers['retry-after'] = String(retryAfter);
  return response;
}

function notJson(request: Asked): Echoed {
  return problem(request, 400, 'The body must be a JSON object.', null);
}

function problem(request: Asked, status: number, message: string, code: string | null): Echoed {
  const type = status >= 500 ? 'server_error' : 'invalid_request_error';
  const text = JSON.stringify({ error: { message, type, param: null, code } });
  return {
    status,
    headers: { 'content-type': JSON_TYPE, 'content-length': String(Buffer.byteLength(text)) },
    body: createSource([{ text, delay: 0 }], null, request.signal),
  };
}

function codeOf(status: number): string | null {
  if (status === 429) return 'rate_limit_exceeded';
  if (status === 401) return 'invalid_api_key';
  return status === 404 ? 'model_not_found' : null;
}

function parse(body: Buffer | null): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body?.toString('utf8') ?? '');
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function hashOf(body: Buffer | null): string {
  return createHash('sha256')
    .update(body ?? '')
    .digest('hex')
    .slice(0, 24);
}

/** Waits, or rejects with the signal's own reason; `timers/promises` would wrap it. */
async function wait(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (ms <= 0) return;
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

function resetError(): Error {
  return connectionError('ECONNRESET', 'read ECONNRESET: echo was told to break off');
}

function connectionError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
