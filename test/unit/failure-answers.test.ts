import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { parseConfig } from '../../src/config.js';
import { endpoints } from '../../src/endpoints.js';
import { beginAttempt, openExchange } from '../../src/exchange.js';
import { createRouter } from '../../src/routing/router.js';
import { attempt } from '../../src/upstream/attempt.js';
import { createControl } from '../../src/upstream/control.js';
import { classify, type Failure, type Verdict } from '../../src/upstream/failure.js';
import { noReport } from '../../src/upstream/report.js';
import { bodyOf } from '../../src/upstream/stream-body.js';
import type { UpstreamResponse } from '../../src/upstream/transport.js';
import { chatApi } from '../helpers/apis.js';

type Asked = 'JSON' | 'stream';

const next: Verdict = { action: 'next', effect: null };
const stop: Verdict = { action: 'stop', effect: null };
const limited = (forMs: number): Verdict => ({
  action: 'next',
  effect: { obstacle: 'rate_limited', scope: 'target', forMs, source: 'retry-after' },
});
const blocked = (
  obstacle: 'quarantined' | 'payment_required' | 'model_missing',
  scope: 'provider' | 'target',
  status: number,
) =>
  ({
    action: 'next',
    effect: { obstacle, scope, forMs: 300_000, source: `http_${status}` },
  }) satisfies Verdict;

/** One attempt at an upstream that answers like this, and what is made of it. */
async function fail(asked: Asked, send: () => Promise<UpstreamResponse>): Promise<Failure> {
  const config = parseConfig({
    database: false,
    providers: { p: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1' } },
  });
  const [target] = createRouter(config).resolve('p/m', null).targets;
  const endpoint = endpoints.find(({ path }) => path === '/chat/completions');
  assert.ok(target !== undefined && endpoint !== undefined);
  const exchange = openExchange({ method: 'POST', endpoint: '/v1/chat/completions' });
  const result = await attempt(
    {
      exchange,
      target,
      targets: [target],
      endpoint,
      streaming: asked === 'stream',
      send,
      request: { method: 'POST', path: endpoint.path, headers: {}, body: Buffer.from('{}') },
      choices: 1,
      stripUsage: false,
      estimate: () => null,
      drain: null,
      control: createControl(),
      report: noReport,
    },
    beginAttempt(exchange, 'p', 'm'),
  );
  assert.ok('failure' in result, 'it was taken for an answer');
  return result.failure;
}

const json = { 'content-type': 'application/json' };
const sse = { 'content-type': 'text/event-stream' };
const html = { 'content-type': 'text/html' };
const page = '<html><body>Nope</body></html>';
const whole = JSON.stringify(chatApi.answer);
const errorIn = (error: unknown) => JSON.stringify({ error });
const event = (error: unknown) => `${chatApi.announcement.join('')}data: ${errorIn(error)}\n\n`;

interface Case {
  what: string;
  asked: readonly Asked[];
  status?: number;
  headers: Record<string, string>;
  body: string;
  /** `http_503` for an error of the upstream, else the end reason. */
  reason: string;
  verdict: Verdict;
}

const both = ['JSON', 'stream'] as const;
const asJson = { asked: ['JSON'], headers: json } as const;
const asStream = { asked: ['stream'], headers: sse } as const;
const invalid = { reason: 'upstream_invalid', verdict: next };

/** Each is said by an error inside a 200: in its body, or in an event before content. */
const inside: [what: string, error: unknown, reason: string, verdict: Verdict][] = [
  ['no status', { message: 'x' }, 'http_502', next],
  ['a code that is no status', { message: 'x', code: 'server_error' }, 'http_502', next],
  ['a code below 400', { message: 'x', code: 200 }, 'http_502', next],
  ['text', 'x', 'http_502', next],
  ['the code 400', { message: 'x', code: 400 }, 'http_400', stop],
  ['the code 401', { message: 'x', code: 401 }, 'http_401', blocked('quarantined', 'provider', 401)],
  ['the code 402', { message: 'x', code: 402 }, 'http_402', blocked('payment_required', 'provider', 402)],
  ['the code 404', { message: 'x', code: 404 }, 'http_404', blocked('model_missing', 'target', 404)],
  ['the code 429', { message: 'x', code: 429 }, 'http_429', limited(7_000)],
  ['the status 429', { message: 'x', status: 429, code: 'slow_down' }, 'http_429', limited(7_000)],
  ['the status code 503', { message: 'x', status_code: 503 }, 'http_503', next],
  ['the code 503 as text', { message: 'x', code: '503' }, 'http_503', next],
  [
    'too long a context',
    { message: 'maximum context length', code: 400 },
    'http_400',
    { ...next, action: 'larger' },
  ],
];

const cases: Case[] = [
  ...inside.flatMap(([what, error, reason, verdict]): Case[] => {
    const limit = { 'retry-after': '7' };
    return [
      {
        ...asJson,
        what: `a 200 with an error of ${what}`,
        headers: { ...json, ...limit },
        body: errorIn(error),
        reason,
        verdict,
      },
      {
        ...asJson,
        what: `a 200 with an error of ${what}`,
        asked: ['stream'],
        headers: { ...json, ...limit },
        body: errorIn(error),
        reason,
        verdict,
      },
      {
        ...asStream,
        what: `an error event of ${what}`,
        headers: { ...sse, ...limit },
        body: event(error),
        reason,
        verdict,
      },
    ];
  }),
  {
    ...asStream,
    what: 'an error event by its type',
    body: 'event: error\ndata: {"message":"x"}\n\n',
    reason: 'http_502',
    verdict: next,
  },
  {
    ...asStream,
    what: 'an error event of text',
    body: 'event: error\ndata: x\n\n',
    reason: 'http_502',
    verdict: next,
  },
  ...[400, 413].map(
    (status): Case => ({
      what: `a ${status} with an HTML page`,
      asked: both,
      status,
      headers: html,
      body: page,
      reason: `http_${status}`,
      verdict: stop,
    }),
  ),
  ...[500, 502, 503, 524].map(
    (status): Case => ({
      what: `a ${status} with an HTML page`,
      asked: both,
      status,
      headers: html,
      body: page,
      reason: `http_${status}`,
      verdict: next,
    }),
  ),
  { what: 'a 200 with an HTML page', asked: both, headers: html, body: page, ...invalid },
  { what: 'a 200 with an HTML page called JSON', asked: both, headers: json, body: page, ...invalid },
  { ...asJson, what: 'truncated JSON', body: whole.slice(0, -1), ...invalid },
  { ...asJson, what: 'truncated JSON of one byte', body: '{', ...invalid },
  {
    what: 'JSON that is cut under an error status',
    asked: both,
    status: 503,
    headers: json,
    body: '{"error":',
    reason: 'http_503',
    verdict: next,
  },
  { what: 'nothing', asked: both, headers: json, body: '', ...invalid },
  { what: 'nothing, with a 204', asked: both, status: 204, headers: {}, body: '', ...invalid },
  { what: 'a redirect', asked: both, status: 307, headers: json, body: whole, ...invalid },
  { what: 'a status beyond HTTP', asked: both, status: 600, headers: json, body: whole, ...invalid },
  {
    what: 'a stream',
    asked: ['JSON'],
    headers: sse,
    body: [...chatApi.announcement, ...chatApi.content, ...chatApi.closing].join(''),
    ...invalid,
  },
  { what: 'a whole JSON answer', asked: ['stream'], headers: json, body: whole, ...invalid },
  {
    what: 'a stream called JSON',
    asked: ['stream'],
    headers: json,
    body: [...chatApi.announcement, ...chatApi.content, ...chatApi.closing].join(''),
    ...invalid,
  },
  { ...asStream, what: 'a stream of nothing', body: '', reason: 'upstream_incomplete', verdict: next },
  {
    ...asStream,
    what: 'a stream of comments',
    body: ': a\n\n: b\n\n',
    reason: 'upstream_incomplete',
    verdict: next,
  },
  {
    ...asStream,
    what: 'a stream that ends before content',
    body: chatApi.announcement.join(''),
    reason: 'upstream_incomplete',
    verdict: next,
  },
  { ...asStream, what: 'a malformed event', body: 'data: {"choices":[{"delta":{"con\n\n', ...invalid },
];

for (const { what, asked, status = 200, headers, body, reason, verdict } of cases) {
  for (const kind of asked) {
    test(`${what}, where ${kind} was asked for, is ${reason} and classified as ${verdict.action}`, async () => {
      const failure = await fail(kind, async () => ({
        status,
        headers,
        body: bodyOf(Readable.from([Buffer.from(body)])),
      }));
      assert.equal(
        failure.kind === 'answer' ? `http_${failure.status}` : failure.kind === 'broken' && failure.endReason,
        reason,
      );
      assert.deepEqual(classify(failure, Date.now(), { streamOptions: false }), verdict);
    });
  }
}

for (const [what, error, reason] of [
  ['headers that are too large', { code: 'UND_ERR_HEADERS_OVERFLOW' }, 'upstream_invalid'],
  ['what is no HTTP', { name: 'HTTPParserError', code: 'HPE_INVALID_CONSTANT' }, 'upstream_invalid'],
  ['a connection that is not established in time', { code: 'UND_ERR_CONNECT_TIMEOUT' }, 'connect_timeout'],
  ['a refused connection', { code: 'ECONNREFUSED' }, 'upstream_unreachable'],
  ['a name nobody knows', { code: 'ENOTFOUND' }, 'upstream_unreachable'],
  ['a reset', { code: 'ECONNRESET' }, 'upstream_reset'],
] as const) {
  test(`${what} before the answer is ${reason} and goes to the next target`, async () => {
    for (const asked of both) {
      const failure = await fail(asked, () => Promise.reject(Object.assign(new Error('x'), error)));
      assert.equal(failure.kind === 'broken' && failure.endReason, reason);
      assert.deepEqual(classify(failure, 0, { streamOptions: false }), next);
    }
  });
}
