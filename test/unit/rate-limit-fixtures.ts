import type { Quota } from '../../src/routing/quota.js';
import type { ProviderType } from '../../src/upstream/presets.js';

/** The instant at which all fixtures were sent, epoch milliseconds. */
export const SENT_AT = Date.parse('2026-03-01T12:00:00Z');

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Headers as a kind of provider sends them, and what they say. */
export interface Fixture {
  name: string;
  type: ProviderType;
  headers: Record<string, string>;
  quotas: Quota[];
}

function quota(
  source: string,
  resource: Quota['resource'],
  windowMs: number | null,
  numbers: [limit: number | null, remaining: number | null],
  aheadMs: number | null,
): Quota {
  const [limit, remaining] = numbers;
  return {
    resource,
    windowMs,
    limit,
    remaining,
    resetAt: aheadMs === null ? null : SENT_AT + aheadMs,
    source,
  };
}

/** One or more for each dialect; the values are those of the providers' own documentation where it has some. */
export const fixtures: readonly Fixture[] = [
  {
    name: 'OpenAI',
    type: 'openai',
    headers: {
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-limit-tokens': '150000',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-remaining-tokens': '149984',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-reset-tokens': '6m0s',
    },
    quotas: [
      quota('x-ratelimit-remaining-requests', 'requests', null, [60, 59], 1_000),
      quota('x-ratelimit-remaining-tokens', 'tokens', MINUTE, [150_000, 149_984], 360_000),
    ],
  },
  {
    name: 'OpenAI with a project of its own',
    type: 'openai',
    headers: {
      'x-ratelimit-limit-project-tokens': '20000',
      'x-ratelimit-remaining-project-tokens': '19000',
      'x-ratelimit-reset-project-tokens': '3ms',
    },
    quotas: [quota('x-ratelimit-remaining-project-tokens', 'tokens', MINUTE, [20_000, 19_000], 3)],
  },
  {
    name: 'Azure, which sends no limits and resets in seconds',
    type: 'openai',
    headers: {
      'x-ratelimit-remaining-requests': '9',
      'x-ratelimit-remaining-tokens': '8963',
      'x-ratelimit-reset-requests': '10',
      'x-ratelimit-reset-tokens': '37',
    },
    quotas: [
      quota('x-ratelimit-remaining-requests', 'requests', null, [null, 9], 10_000),
      quota('x-ratelimit-remaining-tokens', 'tokens', MINUTE, [null, 8_963], 37_000),
    ],
  },
  {
    name: 'Azure when it does not know',
    type: 'openai',
    headers: {
      'x-ratelimit-limit-tokens': '-1',
      'x-ratelimit-remaining-tokens': '-1',
      'x-ratelimit-reset-tokens': '0',
    },
    quotas: [],
  },
  {
    name: 'Groq',
    type: 'groq',
    headers: {
      'x-ratelimit-limit-requests': '14400',
      'x-ratelimit-limit-tokens': '18000',
      'x-ratelimit-remaining-requests': '14370',
      'x-ratelimit-remaining-tokens': '17997',
      'x-ratelimit-reset-requests': '2m59.56s',
      'x-ratelimit-reset-tokens': '7.66s',
    },
    quotas: [
      quota('x-ratelimit-remaining-requests', 'requests', DAY, [14_400, 14_370], 179_560),
      quota('x-ratelimit-remaining-tokens', 'tokens', MINUTE, [18_000, 17_997], 7_660),
    ],
  },
  {
    name: 'Cerebras',
    type: 'cerebras',
    headers: {
      'x-ratelimit-limit-requests-day': '1000000000',
      'x-ratelimit-limit-tokens-minute': '1000000000',
      'x-ratelimit-remaining-requests-day': '999997455',
      'x-ratelimit-remaining-tokens-minute': '999998298',
      'x-ratelimit-reset-requests-day': '33011.382867097855',
      'x-ratelimit-reset-tokens-minute': '11.382867097854614',
    },
    quotas: [
      quota('x-ratelimit-remaining-requests-day', 'requests', DAY, [1_000_000_000, 999_997_455], 33_011_383),
      quota('x-ratelimit-remaining-tokens-minute', 'tokens', MINUTE, [1_000_000_000, 999_998_298], 11_383),
    ],
  },
  {
    name: 'Cerebras with the other periods',
    type: 'cerebras',
    headers: {
      'x-ratelimit-limit-requests-minute': '30',
      'x-ratelimit-remaining-requests-minute': '29',
      'x-ratelimit-reset-requests-minute': '45.5',
      'x-ratelimit-limit-requests-hour': '900',
      'x-ratelimit-remaining-requests-hour': '899',
      'x-ratelimit-limit-tokens-hour': '1000000',
      'x-ratelimit-remaining-tokens-hour': '999000',
      'x-ratelimit-limit-tokens-day': '1000000',
      'x-ratelimit-remaining-tokens-day': '1',
    },
    quotas: [
      quota('x-ratelimit-remaining-requests-minute', 'requests', MINUTE, [30, 29], 45_500),
      quota('x-ratelimit-remaining-requests-hour', 'requests', HOUR, [900, 899], null),
      quota('x-ratelimit-remaining-tokens-hour', 'tokens', HOUR, [1_000_000, 999_000], null),
      quota('x-ratelimit-remaining-tokens-day', 'tokens', DAY, [1_000_000, 1], null),
    ],
  },
  {
    name: 'OpenRouter',
    type: 'openrouter',
    headers: {
      'x-ratelimit-limit': '50',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': String(SENT_AT + 12 * HOUR),
    },
    quotas: [quota('x-ratelimit-remaining', 'requests', null, [50, 0], 12 * HOUR)],
  },
  {
    name: 'Google, which says nothing in headers',
    type: 'google',
    headers: { 'server-timing': 'gfet4t7; dur=480' },
    quotas: [],
  },
  ...(['lm-studio', 'ollama', 'echo'] as const).map((type) => ({
    name: `${type}, which has no limits`,
    type,
    headers: { 'x-ratelimit-limit-requests': '1', 'x-ratelimit-remaining-requests': '0' },
    quotas: [],
  })),
  {
    name: 'Anthropic',
    type: 'openai-compatible',
    headers: {
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '49',
      'anthropic-ratelimit-requests-reset': '2026-03-01T12:00:02Z',
      'anthropic-ratelimit-tokens-limit': '48000',
      'anthropic-ratelimit-tokens-remaining': '47000',
      'anthropic-ratelimit-tokens-reset': '2026-03-01T12:00:03Z',
      'anthropic-ratelimit-input-tokens-limit': '40000',
      'anthropic-ratelimit-input-tokens-remaining': '39000',
      'anthropic-ratelimit-input-tokens-reset': '2026-03-01T12:00:04Z',
      'anthropic-ratelimit-output-tokens-limit': '8000',
      'anthropic-ratelimit-output-tokens-remaining': '8000',
      'anthropic-ratelimit-output-tokens-reset': '2026-03-01T12:00:00Z',
    },
    quotas: [
      quota('anthropic-ratelimit-requests-remaining', 'requests', MINUTE, [50, 49], 2_000),
      quota('anthropic-ratelimit-tokens-remaining', 'tokens', MINUTE, [48_000, 47_000], 3_000),
      quota('anthropic-ratelimit-input-tokens-remaining', 'tokens', MINUTE, [40_000, 39_000], 4_000),
      quota('anthropic-ratelimit-output-tokens-remaining', 'tokens', MINUTE, [8_000, 8_000], 0),
    ],
  },
  {
    name: 'DigitalOcean, with epoch seconds',
    type: 'openai-compatible',
    headers: {
      'x-ratelimit-limit-tokens-per-minute': '6000',
      'x-ratelimit-remaining-tokens-per-minute': '5000',
      'x-ratelimit-reset-tokens-per-minute': String(SENT_AT / 1000 + 9),
      'x-ratelimit-limit-tokens-per-day': '100000',
      'x-ratelimit-remaining-tokens-per-day': '90000',
      'x-ratelimit-reset-tokens-per-day': String(SENT_AT / 1000 + 90),
    },
    quotas: [
      quota('x-ratelimit-remaining-tokens-per-minute', 'tokens', MINUTE, [6_000, 5_000], 9_000),
      quota('x-ratelimit-remaining-tokens-per-day', 'tokens', DAY, [100_000, 90_000], 90_000),
    ],
  },
  {
    name: 'a server that speaks like OpenAI',
    type: 'openai-compatible',
    headers: {
      'x-ratelimit-limit-requests': '100',
      'x-ratelimit-remaining-requests': '3',
      'x-ratelimit-reset-requests': '2s',
      'x-ratelimit-limit-tokens': '5000',
    },
    quotas: [
      quota('x-ratelimit-remaining-requests', 'requests', null, [100, 3], 2_000),
      quota('x-ratelimit-limit-tokens', 'tokens', null, [5_000, null], null),
    ],
  },
  {
    name: 'the IETF draft up to 06',
    type: 'openai-compatible',
    headers: {
      'ratelimit-limit': '100, 100;w=10',
      'ratelimit-remaining': '50',
      'ratelimit-reset': '5',
    },
    quotas: [quota('ratelimit-remaining', 'requests', null, [100, 50], 5_000)],
  },
  {
    name: 'the IETF draft 07',
    type: 'openai-compatible',
    headers: { ratelimit: 'limit=100, remaining=50, reset=5', 'ratelimit-policy': '5000;w=3600, 100;w=10' },
    quotas: [quota('ratelimit', 'requests', 10_000, [100, 50], 5_000)],
  },
  {
    name: 'the IETF draft from 08 on',
    type: 'openai-compatible',
    headers: {
      ratelimit: '"burst";r=9;t=1, "daily, all";r=900;t=40000, "text, all";r=7000;t=30, "bytes";r=1;t=9',
      'ratelimit-policy':
        '"burst";q=10;w=1, "daily, all";q=1000;w=86400;pk=:sdfjLJUOUH==:, "text, all";q=9000;w=60;qu="tokens", "bytes";q=5;qu="content-bytes"',
    },
    quotas: [
      quota('ratelimit', 'requests', 1_000, [10, 9], 1_000),
      quota('ratelimit', 'requests', DAY, [1_000, 900], 40_000_000),
      quota('ratelimit', 'tokens', MINUTE, [9_000, 7_000], 30_000),
    ],
  },
  {
    name: 'the IETF draft without a policy',
    type: 'openai-compatible',
    headers: { ratelimit: '"default";r=50;t=30' },
    quotas: [quota('ratelimit', 'requests', null, [null, 50], 30_000)],
  },
];
