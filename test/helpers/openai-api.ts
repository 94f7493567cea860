import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { type ScriptedUpstream, type Seen, startUpstream } from './upstream.js';

/** A server-sent event: its name, if it has one, and its data. */
export type SentEvent = [name: string | null, data: unknown];

/** What one operation of OpenAI's API answers; a line of test/fixtures/openai-answers.jsonl. */
export interface OperationAnswer {
  /** Method and path template, for example `GET /files/{file_id}`. */
  operation: string;
  status: number;
  json?: Record<string, unknown>;
  /** For those who ask for a stream. */
  events?: SentEvent[];
  /** Base64 of an answer that is not JSON, and its content type. */
  bytes?: string;
  type?: string;
}

/** The keys that the API accepts: the second one for what belongs to an organisation. */
export const API_KEY = 'sk-upstream-project';
export const ADMIN_KEY = 'sk-upstream-admin';

const adminPaths = /^\/(organization|projects|fine_tuning\/checkpoints)\//;
const textFormats = new Set(['text', 'srt', 'vtt']);
const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 };

/** What OpenAI sends besides the answer, some of it for whoever holds the connection. */
const answerHeaders = {
  'openai-organization': 'org-abc',
  'openai-processing-ms': '12',
  'openai-version': '2020-10-01',
  'x-ratelimit-limit-requests': '10000',
  'x-ratelimit-remaining-requests': '9999',
  'x-ratelimit-reset-requests': '6ms',
  'x-request-id': 'req_upstream',
  'x-content-type-options': 'nosniff',
  'cf-cache-status': 'DYNAMIC',
  'cf-ray': '8c0ffee-FRA',
  'alt-svc': 'h3=":443"; ma=86400',
  'set-cookie': '__cf_bm=upstream; path=/; HttpOnly',
  'strict-transport-security': 'max-age=31536000',
  server: 'cloudflare',
};

/**
 * A server that answers every operation of OpenAI's API from the fixture: the same request, the same answer.
 * An id such as `status-404` gets an error with that status.
 */
export async function startOpenAiApi(context: TestContext): Promise<ScriptedUpstream> {
  const find = readAnswers();
  return startUpstream(context, (response, seen) => {
    const url = new URL(seen.url, 'http://upstream');
    const answer = find(seen.method, url);
    if (answer === null) return refuse(response, 404, `Invalid URL (${seen.method} ${url.pathname})`);
    const asked = /\/status-(\d{3})$/.exec(url.pathname)?.[1];
    if (asked !== undefined) return refuse(response, Number(asked), 'What this id asks for.');
    const key = adminPaths.test(url.pathname.replace(/^\/v1/, '')) ? ADMIN_KEY : API_KEY;
    if (seen.headers.authorization !== `Bearer ${key}`) return refuse(response, 401, 'Incorrect API key.');
    const query = Object.fromEntries(url.searchParams);
    readFields(seen).then(
      (fields) => send(response, answer.status, replyOf(answer, { ...query, ...fields })),
      (error: Error) => refuse(response, 400, `The body cannot be read: ${error.message}`),
    );
  });
}

/** Finds what a request asks for: a path segment that is written out goes before one that stands for an id. */
function readAnswers(): (method: string, url: URL) => OperationAnswer | null {
  const file = readFileSync(new URL('../fixtures/openai-answers.jsonl', import.meta.url), 'utf8');
  const answers = file
    .trim()
    .split('\n')
    .map((line) => {
      const answer: OperationAnswer = JSON.parse(line);
      const [template = '', query = ''] = answer.operation.split('?');
      const pattern = new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`);
      return { answer, pattern, query, ids: template.split('{').length };
    })
    .sort((one, other) => one.ids - other.ids);
  return (method, url) => {
    const wanted = `${method} ${url.pathname.replace(/^\/v1/, '')}`;
    const query = url.searchParams.get('beta') === 'true' ? 'beta=true' : '';
    return answers.find((each) => each.query === query && each.pattern.test(wanted))?.answer ?? null;
  };
}

/** The fields of a JSON or multipart body. Rejects a body that is not what its content type says. */
async function readFields({ headers, body }: Seen): Promise<Record<string, unknown>> {
  const type = headers['content-type'];
  if (type === undefined || body.length === 0) return {};
  if (type.startsWith('application/json')) return JSON.parse(body.toString('utf8'));
  const form = await new Response(body, { headers: { 'content-type': type } }).formData();
  return Object.fromEntries(form);
}

/** What to send: the events of a stream one by one, or a body; null is none. */
interface Reply {
  body: string[] | Buffer | null;
  type?: string | undefined;
}

function replyOf({ events, bytes, json, type }: OperationAnswer, fields: Record<string, unknown>): Reply {
  const streaming = String(fields.stream) === 'true' || fields.stream_format === 'sse';
  if (streaming && events !== undefined) {
    return { body: withUsage(events, fields).map(sseEvent), type: 'text/event-stream; charset=utf-8' };
  }
  if (bytes !== undefined) return { body: Buffer.from(bytes, 'base64'), type };
  if (json === undefined) return { body: null };
  if (textFormats.has(String(fields.response_format))) {
    return { body: Buffer.from('Grüße, 世界\n'), type: 'text/plain; charset=utf-8' };
  }
  // OpenAI indents its answers: whoever writes them anew shows.
  const page = JSON.stringify('after' in fields ? secondPage(json) : json, null, 2);
  return { body: Buffer.from(`${page}\n`), type: 'application/json' };
}

function send(response: ServerResponse, status: number, { body, type }: Reply): void {
  const headers: Record<string, string> = { ...answerHeaders };
  if (type !== undefined) headers['content-type'] = type;
  if (!Array.isArray(body)) headers['content-length'] = String(body?.length ?? 0);
  response.writeHead(status, headers);
  if (Array.isArray(body)) for (const event of body) response.write(event);
  else if (body !== null) response.write(body);
  response.end();
}

function sseEvent([name, data]: SentEvent): string {
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  return `${name === null ? '' : `event: ${name}\n`}data: ${text}\n\n`;
}

/** With `include_usage` a last chunk carries the usage, and the others say that they do not. */
function withUsage(events: SentEvent[], { stream_options: options }: Record<string, unknown>): SentEvent[] {
  if (typeof options !== 'object' || options === null || !('include_usage' in options)) return events;
  const chunks = events.slice(0, -1).map(([, data]) => Object.assign({}, data, { usage: null }));
  const last = Object.assign({}, chunks[0], { choices: [], usage });
  return [...chunks, last, '[DONE]'].map((data) => [null, data]);
}

function secondPage(page: Record<string, unknown>): Record<string, unknown> {
  if (!Array.isArray(page.data)) return page;
  const data = page.data.map((item) => (item?.id ? { ...item, id: `${item.id}-next` } : item));
  return { ...page, data, has_more: false, ...('next' in page && { next: null }) };
}

function refuse(response: ServerResponse, status: number, message: string): void {
  const error = { message, type: 'invalid_request_error', param: null, code: null };
  send(response, status, { body: Buffer.from(JSON.stringify({ error })), type: 'application/json' });
}
