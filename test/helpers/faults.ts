import type { Api } from './apis.js';
import { body, hangUp, head, raw, reset, silence } from './fault-scripts.js';
import { failing, json, type Script } from './upstream.js';

/** A time in which a first sign of life arrives even on a busy machine, in milliseconds. */
export const SOON_MS = 800;

export type Mode = 'JSON' | 'stream';

/** Something that an upstream does, and what has to come of it. */
export interface Fault {
  /** Reads as the end of a sentence: `chat, stream: a reset before the headers`. */
  name: string;
  /** Two that are no server at all: a port nobody listens on, and a TLS server that never speaks. */
  does: Script | 'refuses' | 'never connects';
  expect: Expected;
  /** Of the provider, in milliseconds. What is not named is far longer than any test. */
  timeouts?: { connect?: number; firstByte?: number; idle?: number; total?: number };
}

/** The client gets a whole answer. */
export interface Complete {
  ends: 'complete';
  bytes: string;
  /** When they are not those of the API's own fixture. */
  text?: string;
  ending?: string | null;
  /** Default `reported`. */
  usage?: 'estimated';
  /** What may follow the end: no event of the answer, so that it may be relayed or not. */
  tail?: string;
}

/** Nothing usable came before the commit point: the next target answers, and without one this error. */
export interface Before {
  ends: 'before';
  status: number;
  /** Of the attempt. */
  reason: string;
  attemptStatus: number | null;
  endReason: string;
  /** `error_code` of the record. */
  code: string;
  /** Exact body, which may name the provider; null: the gateway's own error body around the upstream's message. */
  body: ((provider: string) => string) | null;
  /** In seconds, of the `retry-after` header: from and to. */
  retryAfter?: readonly [number, number];
  /** The next target is not asked. */
  final?: true;
  /** `error_message` of the record, when it is the upstream's. */
  message?: string;
}

/** The answer broke off after the commit point. */
export interface After {
  ends: 'after';
  endReason: string;
  /** Exact bytes, which may name the provider. */
  bytes(provider: string): string;
  /** What the client read before. */
  text: string;
  /** `error.code` as the client reads it; null when the API's own last event is the only word. */
  code: string | null;
  /** Of the record, when it is the upstream's. */
  error?: { code: string; message: string };
}

export type Expected = Complete | Before | After;

/** One answer that cannot be used, in the gateway's own words. */
export function unusable(endReason: string, attemptStatus: number | null): Before {
  const code = endReason.endsWith('_timeout') ? 'upstream_timeout' : 'upstream_error';
  const why = endReason.replaceAll('_', ' ');
  return {
    ends: 'before',
    status: code === 'upstream_timeout' ? 504 : 502,
    reason: endReason,
    attemptStatus,
    endReason,
    code: endReason,
    body: (provider) => errorText(code, `The provider "${provider}" gave no usable answer (${why}).`),
  };
}

/** An error of the upstream that is passed on as it is. `status` is the one it speaks of. */
export function refusal(
  status: number,
  text: string | null,
  code: string,
  message: string,
  more: { attemptStatus?: number; retryAfter?: readonly [number, number]; final?: true } = {},
): Before {
  return {
    ends: 'before',
    status,
    reason: `http_${status}`,
    attemptStatus: status,
    endReason: status === 429 ? 'rate_limited' : 'upstream_error',
    code,
    body: text === null ? null : () => text,
    message,
    ...more,
  };
}

/** `sent`, and then the gateway's own last event. */
export function brokenOff(endReason: string, sent: string, text: string): After {
  const code = endReason.endsWith('_timeout') ? 'upstream_timeout' : 'upstream_error';
  const why = endReason.replaceAll('_', ' ');
  const last = (provider: string) =>
    `data: ${errorText(code, `The provider "${provider}" broke off its answer (${why}).`)}\n\n`;
  return { ends: 'after', endReason, bytes: (provider) => sent + last(provider), text, code };
}

function errorText(code: string, message: string): string {
  return JSON.stringify({ error: { message, type: 'upstream_error', param: null, code } });
}

/** OpenAI's error body, as the helper `failing` sends it. */
export const errorOf = (message: string) =>
  JSON.stringify({ error: { message, type: 'server_error', param: null, code: null } });

const page = '<html><body>Bad gateway</body></html>';
const moved = json({ moved: true }, 302, { location: 'http://inside.invalid/' });

/** What goes wrong with a connection or a head, whatever was asked for. */
export function connectionFaults(): Fault[] {
  const invalid = unusable('upstream_invalid', 200);
  return [
    { name: 'a refused connection', does: 'refuses', expect: unusable('upstream_unreachable', null) },
    {
      name: 'a connection that is never established',
      does: 'never connects',
      timeouts: { connect: 300 },
      expect: unusable('connect_timeout', null),
    },
    { name: 'a reset before the headers', does: reset, expect: unusable('upstream_reset', null) },
    { name: 'a hang-up before the headers', does: hangUp, expect: unusable('upstream_reset', null) },
    {
      name: 'half a head',
      does: raw('HTTP/1.1 200 OK\r\ncontent-ty'),
      expect: unusable('upstream_reset', null),
    },
    {
      name: 'an answer that is not HTTP',
      does: raw('SSH-2.0-x\r\n'),
      expect: unusable('upstream_invalid', null),
    },
    {
      name: 'no headers at all',
      does: silence,
      timeouts: { firstByte: 150 },
      expect: unusable('first_byte_timeout', null),
    },
    {
      name: 'no headers within the total time',
      does: silence,
      timeouts: { total: 150 },
      expect: unusable('total_timeout', null),
    },
    {
      name: 'a header of 100 kB',
      does: json({}, 200, { 'x-huge': 'h'.repeat(100 * 1024) }),
      expect: unusable('upstream_invalid', null),
    },
    {
      name: '100 kB of many headers under an error status',
      does: failing(
        503,
        'x',
        Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-h${i}`, 'h'.repeat(512)])),
      ),
      expect: unusable('upstream_invalid', null),
    },
    { name: 'a 200 with nothing', does: (response) => response.end(), expect: invalid },
    { name: 'a 200 of JSON with nothing', does: body('application/json', ''), expect: invalid },
    {
      name: 'a 204',
      does: (response) => response.writeHead(204).end(),
      expect: unusable('upstream_invalid', 204),
    },
    { name: 'a redirect', does: moved, expect: unusable('upstream_invalid', 302) },
    { name: 'a 200 with an HTML page', does: body('text/html', page), expect: invalid },
    { name: 'a 200 with a page called JSON', does: body('application/json', page), expect: invalid },
    { name: 'a 200 with a list', does: json([1, 2]), expect: invalid },
    { name: 'a 200 with null', does: json(null), expect: invalid },
    {
      name: 'a JSON answer in broken chunks',
      does: raw(`${head('content-type: application/json', 'transfer-encoding: chunked')}zz\r\n{`),
      expect: invalid,
    },
  ];
}

const retryAfters: [what: string, headers: () => Record<string, string>, seconds: [number, number]][] = [
  ['seconds', () => ({ 'retry-after': '7' }), [7, 7]],
  ['a fraction of a second', () => ({ 'retry-after': '0.2' }), [1, 1]],
  ['zero', () => ({ 'retry-after': '0' }), [1, 1]],
  // It is read off a running clock, to the second.
  ['an HTTP date', () => ({ 'retry-after': new Date(Date.now() + 60_000).toUTCString() }), [40, 60]],
  ['a date in the past', () => ({ 'retry-after': new Date(0).toUTCString() }), [1, 1]],
  ['milliseconds', () => ({ 'retry-after-ms': '2500', 'retry-after': '60' }), [3, 3]],
  ['a billion seconds', () => ({ 'retry-after': '1000000000' }), [3600, 3600]],
  ['nonsense', () => ({ 'retry-after': 'soon' }), [5, 5]],
  ['nothing', () => ({}), [5, 5]],
];

/** What an upstream says by its status, or by an error inside a 200. */
export function statusFaults(api: Api): Fault[] {
  const faults: Fault[] = retryAfters.map(([what, headers, retryAfter]) => ({
    name: `a 429 with ${what} as retry-after`,
    does: (...args) => failing(429, 'Slow down', headers())(...args),
    expect: refusal(429, errorOf('Slow down'), 'http_429', 'Slow down', { retryAfter }),
  }));
  for (const status of [400, 413, 422]) {
    const expect = refusal(status, errorOf('Not like this'), `http_${status}`, 'Not like this', {
      final: true,
    });
    faults.push({ name: `a ${status}`, does: failing(status, 'Not like this'), expect });
  }
  for (const status of [402, 404, 408, 409, 425, 500, 503, 529]) {
    const expect = refusal(status, errorOf('Broken'), `http_${status}`, 'Broken');
    faults.push({ name: `a ${status}`, does: failing(status, 'Broken'), expect });
  }
  for (const status of [401, 403]) faults.push(credential(status));
  for (const status of [500, 502, 503]) {
    faults.push({
      name: `a ${status} with an HTML page`,
      does: (response) => response.writeHead(status, { 'content-type': 'text/html' }).end(page),
      expect: wrapped(status, page),
    });
  }
  const half = '{"error":{"mess';
  for (const then of ['finish', 'reset'] as const) {
    faults.push({
      name: `a 503 with half a body that ${then === 'finish' ? 'ends' : 'is reset'}`,
      does: body('application/json', half, then, 503),
      expect: wrapped(503, half),
    });
  }
  return faults.concat(errorsInside(api));
}

/** What is no JSON is put into an error body. */
function wrapped(status: number, text: string): Before {
  return {
    ...refusal(status, '', `http_${status}`, text),
    body: (provider) => errorText('upstream_error', `The provider "${provider}" answered ${status}: ${text}`),
  };
}

/** It is about the operator's credential, so the client does not read what it says. */
function credential(status: number): Fault {
  return {
    name: `a ${status}`,
    does: failing(status, 'The key of acme is bad'),
    expect: {
      ...refusal(status, '', 'upstream_authentication_failed', 'The key of acme is bad'),
      body: (provider) =>
        errorText(
          'upstream_authentication_failed',
          `The provider "${provider}" refused the gateway's credential.`,
        ),
    },
  };
}

function errorsInside(api: Api): Fault[] {
  const message = 'Overloaded';
  const inside: [what: string, body: object, status: number, code: string][] = [
    ['an error', { error: { message, code: 'oops' } }, 502, 'oops'],
    ['an error of text', { error: message }, 502, 'http_502'],
    ['an error with the code 503', { error: { message, code: 503 } }, 503, '503'],
    ['an error with the status 429', { error: { message, status: 429 } }, 429, 'http_429'],
    ['an error beside an answer', { ...api.answer, error: { message, code: 'oops' } }, 502, 'oops'],
    ['an error as the whole object', { object: 'error', message, code: 500 }, 500, '500'],
  ];
  return inside.map(([what, value, status, code]) => ({
    name: `a 200 with ${what}`,
    does: json(value),
    expect: refusal(status, 'error' in value ? JSON.stringify(value) : null, code, message, {
      attemptStatus: 200,
      ...(status === 429 && { retryAfter: [5, 5] as const }),
    }),
  }));
}
