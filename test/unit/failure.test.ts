import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  classify,
  type Failure,
  transportFailure,
  upstreamCode,
  upstreamMessage,
  type Verdict,
} from '../../src/upstream/failure.js';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const MINUTE = 60_000;
const stop: Verdict = { action: 'stop', effect: null };
const next: Verdict = { action: 'next', effect: null };

function answered(status: number, body = '{}', headers: Record<string, string> = {}): Failure {
  return { kind: 'answer', status, headers, body: Buffer.from(body) };
}

function limited(forMs: number, source = 'retry-after'): Verdict {
  return { action: 'next', effect: { obstacle: 'rate_limited', scope: 'target', forMs, source } };
}

function blocked(
  obstacle: 'quarantined' | 'payment_required' | 'model_missing',
  scope: 'provider' | 'target',
  status: number,
): Verdict {
  return { action: 'next', effect: { obstacle, scope, forMs: 5 * MINUTE, source: `http_${status}` } };
}

const tooLong = {
  openai: '{"error":{"message":"too long","code":"context_length_exceeded"}}',
  prose: '{"error":{"message":"This model\'s maximum context length is 8192 tokens."}}',
  llamacpp: '{"error":"the request exceeds the available context size, context window is full"}',
  anthropic: '{"error":{"message":"prompt is too long: 210000 tokens"}}',
};
const page = '<html><head><title>Nope</title></head><body>Nope</body></html>';
const cutShort = '{"error":{"message":"The server had an err';
const noStreamOptions = '{"error":{"message":"Unknown parameter: stream_options"}}';

const table: [name: string, failure: Failure, verdict: Verdict][] = [
  ['400', answered(400), stop],
  ['413', answered(413), stop],
  ['422', answered(422), stop],
  ['a status nobody knows below 500', answered(418), stop],
  ['400 with the code for too long a context', answered(400, tooLong.openai), { ...next, action: 'larger' }],
  ['400 that names the maximum context', answered(400, tooLong.prose), { ...next, action: 'larger' }],
  ['400 that names the context window', answered(400, tooLong.llamacpp), { ...next, action: 'larger' }],
  ['400 with too long a prompt', answered(400, tooLong.anthropic), { ...next, action: 'larger' }],
  ['422 that names the context', answered(422, tooLong.prose), stop],
  ['401', answered(401), blocked('quarantined', 'provider', 401)],
  ['403', answered(403), blocked('quarantined', 'provider', 403)],
  ['402', answered(402), blocked('payment_required', 'provider', 402)],
  ['404', answered(404), blocked('model_missing', 'target', 404)],
  ['408', answered(408), next],
  ['409', answered(409), next],
  ['425', answered(425), next],
  ['500', answered(500), next],
  ['503', answered(503), next],
  ['529, which Anthropic uses', answered(529), next],
  ['500 that mentions the context length', answered(500, tooLong.prose), next],
  ['a broken connection', transportFailure(new Error('gone'), null), next],
  ['a timeout', { kind: 'broken', endReason: 'first_byte_timeout', message: '', status: null }, next],
  ['a client that left', { kind: 'cancelled' }, stop],
  ['429 without a word', answered(429), limited(5_000, 'default')],
  ['429 with seconds', answered(429, '{}', { 'retry-after': '7' }), limited(7_000)],
  ['429 with a fraction', answered(429, '{}', { 'retry-after': '1.5' }), limited(1_500)],
  [
    '429 with a date',
    answered(429, '{}', { 'retry-after': 'Sun, 01 Mar 2026 12:00:20 GMT' }),
    limited(20_000),
  ],
  [
    '429 with a date in the past',
    answered(429, '{}', { 'retry-after': 'Sun, 01 Mar 2026 11:00:00 GMT' }),
    limited(1_000),
  ],
  [
    '429 with milliseconds',
    answered(429, '{}', { 'retry-after-ms': '2500' }),
    limited(2_500, 'retry-after-ms'),
  ],
  ['429 with zero', answered(429, '{}', { 'retry-after': '0' }), limited(1_000)],
  ['429 with a billion seconds', answered(429, '{}', { 'retry-after': '1000000000' }), limited(60 * MINUTE)],
  ['429 with a negative number', answered(429, '{}', { 'retry-after': '-3' }), limited(5_000, 'default')],
  ['429 with garbage', answered(429, '{}', { 'retry-after': 'soon 5' }), limited(5_000, 'default')],
  ['429 with space around the number', answered(429, '{}', { 'retry-after': ' 7 ' }), limited(7_000)],
  ['429 with an exponent', answered(429, '{}', { 'retry-after': '1e3' }), limited(5_000, 'default')],
  [
    '429 with a hexadecimal number',
    answered(429, '{}', { 'retry-after': '0x10' }),
    limited(5_000, 'default'),
  ],
  ['429 with an empty header', answered(429, '{}', { 'retry-after': '' }), limited(5_000, 'default')],
  ['429 with Infinity', answered(429, '{}', { 'retry-after': 'Infinity' }), limited(5_000, 'default')],
  [
    '429 with a number no timer can hold',
    answered(429, '{}', { 'retry-after': '9'.repeat(400) }),
    limited(60 * MINUTE),
  ],
  [
    '429 with a date of RFC 850',
    answered(429, '{}', { 'retry-after': 'Sunday, 01-Mar-26 12:00:20 GMT' }),
    limited(20_000),
  ],
  [
    '429 with a date far away',
    answered(429, '{}', { 'retry-after': 'Mon, 01 Mar 2027 12:00:00 GMT' }),
    limited(60 * MINUTE),
  ],
  ['429 with an ISO date', answered(429, '{}', { 'retry-after': '2026-03-01T12:00:20Z' }), limited(20_000)],
  [
    '429 with both forms: milliseconds are the more precise',
    answered(429, '{}', { 'retry-after-ms': '2500', 'retry-after': '60' }),
    limited(2_500, 'retry-after-ms'),
  ],
  [
    '429 with milliseconds that say nothing',
    answered(429, '{}', { 'retry-after-ms': 'x', 'retry-after': '7' }),
    limited(7_000),
  ],
  ['429 with an HTML page', answered(429, page, { 'retry-after': '7' }), limited(7_000)],
  ['429 with nothing in it', answered(429, ''), limited(5_000, 'default')],
  ['429 with a body that was cut short', answered(429, cutShort), limited(5_000, 'default')],
  ['400 with an HTML page', answered(400, page), stop],
  ['413 with an HTML page', answered(413, page), stop],
  ['404 with an HTML page', answered(404, page), blocked('model_missing', 'target', 404)],
  ['403 with an HTML page', answered(403, page), blocked('quarantined', 'provider', 403)],
  ['502 with an HTML page', answered(502, page), next],
  ['503 with a retry-after', answered(503, '{}', { 'retry-after': '60' }), next],
  ['500 with a body that was cut short', answered(500, cutShort), next],
  ['400 with a body that was cut short', answered(400, cutShort), stop],
  [
    '400 with the context in a body that was cut short',
    answered(400, tooLong.prose.slice(0, -3)),
    { ...next, action: 'larger' },
  ],
  [
    '400 with bytes that are no text',
    { kind: 'answer', status: 400, headers: {}, body: Buffer.from([0xff, 0xfe, 0]) },
    stop,
  ],
];

test('a 429 is read in the dialect of its provider', () => {
  const headers = { 'x-ratelimit-remaining-tokens-minute': '0', 'x-ratelimit-reset-tokens-minute': '11.38' };
  const failure = answered(429, '{}', headers);
  const asked = { streamOptions: false };
  const expected = limited(11_380, 'x-ratelimit-reset-tokens-minute');
  assert.deepEqual(classify(failure, NOW, asked, 'cerebras'), expected);
  assert.deepEqual(classify(failure, NOW, asked), expected, 'of a provider nobody knows all are tried');
  assert.deepEqual(classify(failure, NOW, asked, 'groq'), limited(5_000, 'default'));
});

test('a 429 whose text says when to come back is believed', () => {
  const body = '{"error":{"message":"Rate limit reached. Please try again in 7.5s."}}';
  assert.deepEqual(classify(answered(429, body), NOW, { streamOptions: false }), limited(7_500, 'body'));
});

for (const [name, failure, verdict] of table) {
  test(`${name} is classified as ${verdict.action}`, () => {
    assert.deepEqual(classify(failure, NOW, { streamOptions: false }), verdict);
  });
}

test('no status stops the way to another target but those that are about the request', () => {
  const movesOn = new Set([401, 402, 403, 404, 408, 409, 425, 429]);
  for (let status = 400; status < 600; status++) {
    const expected = status >= 500 || movesOn.has(status) ? 'next' : 'stop';
    assert.equal(classify(answered(status), NOW, { streamOptions: false }).action, expected, String(status));
  }
});

test('what is no answer at all goes to the next target, and says nothing about the one that gave it', () => {
  const reasons = [
    'upstream_unreachable',
    'upstream_reset',
    'upstream_invalid',
    'upstream_incomplete',
    'connect_timeout',
    'first_byte_timeout',
    'idle_timeout',
    'total_timeout',
  ] as const;
  for (const endReason of reasons) {
    for (const status of [null, 200, 204, 302]) {
      const failure: Failure = { kind: 'broken', endReason, message: 'x', status };
      for (const streamOptions of [true, false])
        assert.deepEqual(classify(failure, NOW, { streamOptions }), next, endReason);
    }
  }
});

test('stream_options are left out only when the gateway added them and the upstream names them', () => {
  const without: Verdict = { action: 'without_stream_options', effect: null };
  for (const status of [400, 422]) {
    assert.deepEqual(classify(answered(status, noStreamOptions), NOW, { streamOptions: true }), without);
    assert.deepEqual(classify(answered(status, noStreamOptions), NOW, { streamOptions: false }), stop);
    assert.deepEqual(classify(answered(status), NOW, { streamOptions: true }), stop);
  }
  assert.deepEqual(classify(answered(500, noStreamOptions), NOW, { streamOptions: true }), next);
});

test('an error of the transport is named after its code', () => {
  const reasons: [code: string, endReason: string][] = [
    ['ECONNREFUSED', 'upstream_unreachable'],
    ['ENOTFOUND', 'upstream_unreachable'],
    ['EAI_AGAIN', 'upstream_unreachable'],
    ['UND_ERR_CONNECT_TIMEOUT', 'connect_timeout'],
    ['ECONNRESET', 'upstream_reset'],
    ['UND_ERR_SOCKET', 'upstream_reset'],
    ['HPE_INVALID_CONSTANT', 'upstream_invalid'],
    ['UND_ERR_HEADERS_OVERFLOW', 'upstream_invalid'],
  ];
  for (const [code, endReason] of reasons) {
    const error = Object.assign(new Error('boom'), { code });
    assert.deepEqual(transportFailure(error, 200), {
      kind: 'broken',
      endReason,
      message: `${code}: boom`,
      status: 200,
    });
  }
});

test('the code is found inside an aggregate error and behind a cause', () => {
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  for (const error of [new AggregateError([refused]), new Error('failed', { cause: refused })]) {
    const failure = transportFailure(error, null);
    assert.equal(failure.kind === 'broken' && failure.endReason, 'upstream_unreachable');
  }
});

test('whatever is thrown becomes a reset', () => {
  for (const thrown of ['text', undefined, null, 7]) {
    const failure = transportFailure(thrown, null);
    assert.deepEqual(failure, {
      kind: 'broken',
      endReason: 'upstream_reset',
      message: String(thrown),
      status: null,
    });
  }
});

test('the message of an upstream is found in the shapes that providers use', () => {
  const bodies: [body: string, message: string][] = [
    ['{"error":{"message":"no"}}', 'no'],
    ['{"error":"no"}', 'no'],
    ['{"message":"no"}', 'no'],
    ['{"error":{"error":{"message":"no"}}}', 'no'],
    ['{"error":{"code":7},"message":"no"}', 'no'],
    ['{"detail":"no"}', '{"detail":"no"}'],
    ['<html>Bad Gateway</html>', '<html>Bad Gateway</html>'],
    ['null', 'null'],
    ['', ''],
  ];
  for (const [body, message] of bodies) assert.equal(upstreamMessage(Buffer.from(body)), message, body);
});

test('the code of an upstream is a string or nothing', () => {
  const bodies: [body: string, code: string | null][] = [
    ['{"error":{"code":"model_not_found"}}', 'model_not_found'],
    ['{"error":{"code":429}}', '429'],
    ['{"error":{"code":null}}', null],
    ['{"error":{"code":{}}}', null],
    ['{"error":"no"}', null],
    ['[]', null],
    ['null', null],
    ['<html>', null],
  ];
  for (const [body, code] of bodies) assert.equal(upstreamCode(Buffer.from(body)), code, body);
});
