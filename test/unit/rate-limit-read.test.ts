import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ProviderType, providerTypes } from '../../src/upstream/presets.js';
import { dialects } from '../../src/upstream/rate-limit/dialects.js';
import { readCooldown, readQuotas } from '../../src/upstream/rate-limit/read.js';
import type { Headers } from '../../src/upstream/rate-limit/retry-after.js';
import { fixtures, SENT_AT } from './rate-limit-fixtures.js';

const NOW = SENT_AT;

for (const { name, type, headers, quotas } of fixtures) {
  test(`the quotas of ${name} are read`, () => {
    assert.deepEqual(readQuotas(type, headers, NOW), quotas);
  });
}

test('every kind of provider has a fixture', () => {
  assert.deepEqual(
    providerTypes.filter((type) => !fixtures.some((fixture) => fixture.type === type)),
    [],
  );
});

test('of a provider nobody knows, every known header is read once', () => {
  const names = dialects['openai-compatible'].rows.map(({ remaining }) => remaining);
  assert.equal(new Set(names).size, names.length);
  for (const type of ['openai', 'openrouter', 'groq', 'cerebras'] as const) {
    for (const { remaining } of dialects[type].rows) assert.ok(names.includes(remaining), remaining);
  }
});

test('counts that are none leave a quota without numbers, and such a quota is not told', () => {
  const remaining = 'x-ratelimit-remaining-tokens';
  for (const value of ['', '-1', 'many', 'NaN', '1e5', '0x10', '9'.repeat(30)]) {
    assert.deepEqual(readQuotas('openai', { [remaining]: value }, NOW), [], value);
  }
  assert.deepEqual(readQuotas('openai', { [remaining]: ['1', '2'] }, NOW), []);
  assert.equal(readQuotas('openai', { [remaining]: ' 12.9 ' }, NOW)[0]?.remaining, 12);
});

test('a structured field that is none says nothing', () => {
  const nonsense = [
    '',
    ',,;;==',
    '"',
    '"a',
    'a;b;c',
    'limit=5',
    'remaining=x, reset=5',
    '"a";r=-1;t=2',
    ';r=x',
  ];
  for (const ratelimit of nonsense) {
    assert.deepEqual(readQuotas('openai-compatible', { ratelimit }, NOW), [], ratelimit);
  }
});

function cooldownOf(headers: Headers, type: ProviderType = 'openai-compatible', body: string | null = null) {
  const found = readCooldown(type, headers, body === null ? null : Buffer.from(body), NOW);
  return found === null ? null : `${found.source} ${found.forMs}`;
}

const exhausted: Headers = {
  'x-ratelimit-remaining-requests': '0',
  'x-ratelimit-reset-requests': '30s',
  'x-ratelimit-remaining-tokens': '0',
  'x-ratelimit-reset-tokens': '1m30s',
};
const hint = '{"error":{"message":"Please try again in 20s."}}';

test('what says when to come back is asked in a fixed order', () => {
  const asked = { ...exhausted, 'retry-after': '7', 'retry-after-ms': '2500' };
  assert.equal(cooldownOf(asked, 'openai', hint), 'retry-after-ms 2500');
  assert.equal(cooldownOf({ ...exhausted, 'retry-after': '7' }, 'openai', hint), 'retry-after 7000');
  assert.equal(cooldownOf(exhausted, 'openai', hint), 'x-ratelimit-reset-tokens 90000');
  assert.equal(cooldownOf({ 'x-ratelimit-reset-tokens': '1m30s' }, 'openai', hint), 'body 20000');
  assert.equal(cooldownOf({ 'x-ratelimit-reset-tokens': '1m30s' }), 'x-ratelimit-reset-tokens 90000');
  assert.equal(cooldownOf({}), null);
  assert.equal(cooldownOf({}, 'openai', 'busy'), null);
});

test('only a limit without anything left makes its reset count', () => {
  const requestsLeft = { ...exhausted, 'x-ratelimit-remaining-requests': '1' };
  assert.equal(cooldownOf(requestsLeft), 'x-ratelimit-reset-tokens 90000');
  const tokensLeft = { ...exhausted, 'x-ratelimit-remaining-tokens': '1' };
  assert.equal(cooldownOf(tokensLeft), 'x-ratelimit-reset-requests 30000');
  const bothLeft = { ...requestsLeft, 'x-ratelimit-remaining-tokens': '1' };
  assert.equal(cooldownOf(bothLeft), null);
});

test('a reset that is not ahead leaves the word to the text', () => {
  const over = { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '0' };
  assert.equal(cooldownOf(over, 'openai', hint), 'body 20000');
  assert.equal(cooldownOf(over), null);
});

test('of resets that come without counts the first one is taken', () => {
  const headers = { 'x-ratelimit-reset-requests-day': '33011.4', 'x-ratelimit-reset-tokens-minute': '11.38' };
  assert.equal(cooldownOf(headers, 'cerebras'), 'x-ratelimit-reset-tokens-minute 11380');
});

test('the reset of a structured field is one too', () => {
  assert.equal(cooldownOf({ ratelimit: '"a";r=0;t=12, "b";r=3;t=40' }), 'ratelimit 12000');
});

test('cooldowns are at least a second and at most an hour, whatever says them', () => {
  const tokens = (reset: string) => ({
    'x-ratelimit-remaining-tokens': '0',
    'x-ratelimit-reset-tokens': reset,
  });
  assert.equal(cooldownOf(tokens('120ms')), 'x-ratelimit-reset-tokens 1000');
  assert.equal(cooldownOf(tokens('5h')), 'x-ratelimit-reset-tokens 3600000');
  assert.equal(cooldownOf({}, 'groq', 'Please try again in 20ms'), 'body 1000');
  assert.equal(cooldownOf({}, 'groq', 'Please try again in 2d'), 'body 3600000');
});

test('whatever an answer says, reading it gives numbers within bounds or nothing', () => {
  const rows = dialects['openai-compatible'].rows;
  const name = fc.constantFrom(
    'retry-after',
    'retry-after-ms',
    'ratelimit',
    'ratelimit-policy',
    ...rows.flatMap(({ limit, remaining, reset }) => [limit, remaining, reset]),
  );
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom('0', '1', '"a";r=0;t=1', '1m', '1h30m', 'remaining=0, reset=1', '2026-03-01T12:00:02Z'),
    fc.double().map(String),
    fc.array(fc.string()),
  );
  const body = fc.oneof(
    fc.json(),
    fc.string(),
    fc.constant('[{"error":{"details":[null,{"@type":7,"violations":[1]}],"metadata":{"headers":[]}}}]'),
  );
  const type = fc.constantFrom(...providerTypes);
  fc.assert(
    fc.property(type, fc.dictionary(name, value), body, (kind, headers, text) => {
      for (const quota of readQuotas(kind, headers, NOW)) {
        assert.ok(quota.limit !== null || quota.remaining !== null);
        assert.ok(
          quota.remaining === null || (Number.isSafeInteger(quota.remaining) && quota.remaining >= 0),
        );
        assert.ok(quota.resetAt === null || quota.resetAt >= NOW);
      }
      const found = readCooldown(kind, headers, Buffer.from(text), NOW);
      if (found === null) return;
      assert.ok(Number.isInteger(found.forMs) && found.forMs >= 1_000 && found.forMs <= 3_600_000);
      assert.notEqual(found.source, '');
    }),
    { numRuns: 500 },
  );
});
