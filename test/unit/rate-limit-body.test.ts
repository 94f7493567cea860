import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hintedMs } from '../../src/upstream/rate-limit/body.js';
import { readBodyQuotas, readCooldown } from '../../src/upstream/rate-limit/read.js';
import { SENT_AT } from './rate-limit-fixtures.js';

const NOW = SENT_AT;

const texts: [text: string, ms: number | null][] = [
  // OpenAI.
  [
    'on tokens per min (TPM): Limit 30000, Used 18928, Requested 11159. Please try again in 174ms. Visit',
    174,
  ],
  [
    'on tokens per min (TPM): Limit 10000, Used 8554, Requested 3082. Please try again in 9.816s. Visit',
    9_816,
  ],
  ['Please try again in 1m30.5s.', 90_500],
  ['Limit: 3 / min. Please try again in 20s. Contact us', 20_000],
  // Groq.
  [
    'on tokens per day (TPD): Limit 100000, Used 99857, Requested 642. Please try again in 7m12.345s.',
    432_345,
  ],
  ['Please try again in 1h2m3s. Need more tokens?', 3_723_000],
  // Azure.
  ['have exceeded token rate limit. Please retry after 37 seconds. Please contact Azure support', 37_000],
  ['Please retry after 1 second.', 1_000],
  // Gemini.
  ['limit: 0, model: gemini-3-pro\\nPlease retry in 45.578569677s.', 45_578.569677],
  ['{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay": "34s"}', 34_000],
  ['{\\"retryDelay\\": \\"57.238747106s\\"}', 57_238.747106],
  // Others.
  ['Rate limited, wait 20 seconds', 20_000],
  ['Too many requests: retrying in about 5 minutes', 300_000],
  ['{"retry_after":12}', 12_000],
  ['{"retry_after_seconds": 2.5, "x":1}', 2_500],
  ['{"retry_after_ms":1500}', 1_500],
  ['{\\"retry_after\\":\\"3\\"}', 3_000],
  // The first place that has a duration counts.
  ['Please try again later, or try again in 8s', 8_000],
  // Nothing.
  ['Please try again later.', null],
  ['Please retry shortly, or add your own key', null],
  ['Please try again in 5 months.', null],
  ['Please try again in -5s.', null],
  ['You have 20s left', null],
  ['{"retry_after":null}', null],
  ['{"retry_after":"soon"}', null],
  ['', null],
];

for (const [text, ms] of texts) {
  test(`the text "${text.slice(-60)}" asks for ${ms === null ? 'nothing' : `${ms} ms`}`, () => {
    const found = hintedMs(Buffer.from(text));
    assert.equal(found === null ? null : Math.round(found * 1e6) / 1e6, ms);
  });
}

test('a long body is read from its beginning only, and in linear time', () => {
  const late = Buffer.from(`${'x'.repeat(100_000)} try again in 5s`);
  assert.equal(hintedMs(late), null);
  for (const piece of ['try again ', 'wait for ', '"retryDelay":"', '1m', 'retry in in in in ', '"']) {
    const started = performance.now();
    hintedMs(Buffer.from(piece.repeat(20_000)));
    assert.ok(performance.now() - started < 1_000, piece);
  }
});

const gemini = (details: unknown[]) =>
  Buffer.from(
    JSON.stringify([
      {
        error: {
          code: 429,
          message: 'You exceeded your current quota, please check your plan and billing details.',
          status: 'RESOURCE_EXHAUSTED',
          details,
        },
      },
    ]),
  );
const violations = (...list: unknown[]) => ({
  '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
  violations: list,
});
const retryInfo = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' };
const perMinute = {
  quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_requests',
  quotaId: 'GenerateRequestsPerMinutePerProjectPerModel-FreeTier',
  quotaDimensions: { location: 'global', model: 'gemini-2.5-flash' },
  quotaValue: '10',
};
const inputTokens = { quotaId: 'GenerateContentInputTokensPerModelPerMinute-FreeTier', quotaValue: '250000' };
const perDay = { quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier', quotaValue: '250' };

test('the quotas that Gemini names as used up are read from its error', () => {
  assert.deepEqual(readBodyQuotas(gemini([violations(perMinute, inputTokens), retryInfo]), NOW), [
    {
      resource: 'requests',
      windowMs: 60_000,
      limit: 10,
      remaining: 0,
      resetAt: NOW + 34_000,
      source: 'body',
    },
    {
      resource: 'tokens',
      windowMs: 60_000,
      limit: 250_000,
      remaining: 0,
      resetAt: NOW + 34_000,
      source: 'body',
    },
  ]);
});

test('a daily quota of Gemini lasts until midnight in California, whatever the retry delay says', () => {
  const body = gemini([violations(perMinute, perDay), retryInfo]);
  const [, daily] = readBodyQuotas(body, NOW);
  assert.deepEqual(daily, {
    resource: 'requests',
    windowMs: 86_400_000,
    limit: 250,
    remaining: 0,
    resetAt: Date.parse('2026-03-02T08:00:00Z'),
    source: 'body',
  });
  assert.deepEqual(readCooldown('google', {}, body, NOW), { forMs: 3_600_000, source: 'body' });
});

test('a quota of a minute without a retry delay that can be believed has no known end', () => {
  for (const details of [
    [violations(perMinute)],
    [violations(perMinute), { ...retryInfo, retryDelay: '999d' }],
  ]) {
    const [quota] = readBodyQuotas(gemini(details), NOW);
    assert.deepEqual([quota?.remaining, quota?.resetAt], [0, null]);
  }
});

test('Gemini’s retry delay is the cooldown', () => {
  const expected = { forMs: 34_000, source: 'body' };
  assert.deepEqual(readCooldown('google', {}, gemini([violations(perMinute), retryInfo]), NOW), expected);
  assert.deepEqual(readCooldown('google', {}, gemini([retryInfo]), NOW), expected);
});

test('the headers that OpenRouter repeats in its error are read', () => {
  const headers = {
    'X-RateLimit-Limit': 50,
    'X-RateLimit-Remaining': '0',
    'X-RateLimit-Reset': String(NOW + 90_000),
  };
  const message =
    'Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day';
  const body = Buffer.from(JSON.stringify({ error: { message, code: 429, metadata: { headers } } }));
  assert.deepEqual(readBodyQuotas(body, NOW), [
    { resource: 'requests', windowMs: null, limit: 50, remaining: 0, resetAt: NOW + 90_000, source: 'body' },
  ]);
  assert.deepEqual(readCooldown('openrouter', {}, body, NOW), { forMs: 90_000, source: 'body' });
});

test('a body that is no error of a known shape has no quotas', () => {
  const bodies = [
    '',
    'null',
    '[]',
    '[null]',
    '"x"',
    '{"error":"x"}',
    '{"error":{"details":{}}}',
    '{"error":{"details":[null,1,{"@type":1},{"@type":"google.rpc.QuotaFailure"}]}}',
    '{"error":{"details":[{"@type":"google.rpc.QuotaFailure","violations":[null,{},{"quotaId":1},{"quotaId":"Images"}]}]}}',
    '{"error":{"metadata":{"headers":{"X-RateLimit-Remaining":[7]}}}}',
    '{"error":{"metadata":{"headers":{"X-RateLimit-Remaining":-7}}}}',
    '{"error":{"metadata":{"headers":["X-RateLimit-Remaining"]}}}',
    `{"error":{"metadata":{"headers":{"X-RateLimit-Remaining":"1","x":"${'y'.repeat(70_000)}"}}}}`,
  ];
  for (const body of bodies) assert.deepEqual(readBodyQuotas(Buffer.from(body), NOW), [], body.slice(0, 80));
});
