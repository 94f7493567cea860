import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config.js';
import { priceOf } from '../../src/prices/price-of.js';
import { createRouter } from '../../src/routing/router.js';
import { readUsage } from '../../src/stream/usage.js';
import { costNano } from '../../src/upstream/price.js';

/*
 * One USD per million tokens is 1000 nano-USD per token, so gpt-4o at 2.50 / 1.25 / 10 USD costs 2500 for a token of the
 * question, 1250 for a cached one and 10000 for one of the answer. The prices are those of the list that the package
 * brings, on the day that is named; `house` has its own in the configuration.
 */

const router = createRouter(
  parseConfig(
    {
      providers: {
        openai: { type: 'openai', apiKey: 'k' },
        google: { type: 'google', apiKey: 'k' },
        groq: { type: 'groq', apiKey: 'k' },
        openrouter: { type: 'openrouter', apiKey: 'k' },
        cerebras: { type: 'cerebras', apiKey: 'k' },
        deepseek: { type: 'openai-compatible', baseUrl: 'https://api.deepseek.com/v1' },
        house: {
          type: 'openai-compatible',
          baseUrl: 'http://127.0.0.1:1/v1',
          models: {
            voice: {
              price: {
                input: 2.5,
                output: 10,
                cachedInput: 1.25,
                reasoning: 12,
                audioInput: 40,
                audioOutput: 80,
                request: 0.002,
                tiers: [{ above: 1000, input: 5, cachedInput: 2.5 }],
              },
            },
          },
        },
      },
    },
    {},
  ),
);

interface Tokens {
  in: number;
  out: number;
  total?: number;
  cached?: number;
  written?: number;
  reasoning?: number;
  audioIn?: number;
  audioOut?: number;
}

/** A usage as chat answers report it. */
function chat({ in: input, out, total, cached, written, reasoning, audioIn, audioOut }: Tokens) {
  return {
    prompt_tokens: input,
    completion_tokens: out,
    total_tokens: total ?? input + out,
    prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written, audio_tokens: audioIn },
    completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: audioOut },
  };
}

/** A usage as the responses API reports it. */
function response({ in: input, out, cached = 0, reasoning = 0 }: Tokens) {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: out,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + out,
  };
}

const DAY = '2026-03-01T12:00:00Z';
const NIGHT = '2026-03-01T20:00:00Z';

const golden: [model: string, usage: object, arithmetic: string, nano: number, at?: string][] = [
  ['openai/gpt-4o', chat({ in: 1000, out: 500 }), '1000·2500 + 500·10000', 7_500_000],
  [
    'openai/gpt-4o',
    chat({ in: 1200, out: 300, cached: 1024 }),
    '176·2500 + 1024·1250 + 300·10000',
    4_720_000,
  ],
  ['openai/gpt-4o', chat({ in: 2048, out: 0, cached: 2048 }), '2048·1250', 2_560_000],
  ['openai/gpt-4o-2024-08-06', chat({ in: 1, out: 1 }), '1·2500 + 1·10000', 12_500],

  [
    'openai/gpt-5',
    chat({ in: 800, out: 1500, reasoning: 1280 }),
    '800·1250 + (220 + 1280)·10000',
    16_000_000,
  ],
  [
    'openai/gpt-5',
    chat({ in: 5000, out: 700, cached: 4096, reasoning: 640 }),
    '904·1250 + 4096·125 + (60 + 640)·10000 = 1130000 + 512000 + 7000000',
    8_642_000,
  ],
  [
    'openai/gpt-5',
    response({ in: 3000, out: 2000, cached: 1000, reasoning: 2000 }),
    '2000·1250 + 1000·125 + 2000·10000',
    22_625_000,
  ],

  ['openai/o3', chat({ in: 100, out: 900, reasoning: 832 }), '100·2000 + (68 + 832)·8000', 7_400_000],
  [
    'openai/o3',
    chat({ in: 100, out: 900, reasoning: 832 }),
    'before its price fell: 100·10000 + 900·40000',
    37_000_000,
    '2025-06-09T23:59:59Z',
  ],
  [
    'openai/o3',
    chat({ in: 1000, out: 10, cached: 600 }),
    'on the day it fell: 400·2000 + 600·500 + 10·8000',
    1_180_000,
    '2025-06-10T00:00:00Z',
  ],

  ['google/gemini-2.5-pro', chat({ in: 1000, out: 200 }), '1000·1250 + 200·10000', 3_250_000],
  [
    'google/models/gemini-2.5-pro',
    chat({ in: 1000, out: 200, total: 1700 }),
    'thoughts are in the total alone: 1000·1250 + (200 + 500)·10000',
    8_250_000,
  ],
  [
    'google/gemini-2.5-pro',
    chat({ in: 200_000, out: 100 }),
    'not yet above 200000: 200000·1250 + 100·10000',
    251_000_000,
  ],
  [
    'google/gemini-2.5-pro',
    chat({ in: 200_001, out: 100 }),
    'above, so all of it: 200001·2500 + 100·15000 = 500002500 + 1500000',
    501_502_500,
  ],
  [
    'google/gemini-2.5-pro',
    chat({ in: 300_000, out: 1000, cached: 250_000 }),
    'cached tokens count for the tier: 50000·2500 + 250000·250 + 1000·15000',
    202_500_000,
  ],

  ['google/gemini-2.5-flash', chat({ in: 400, out: 50 }), '400·300 + 50·2500', 245_000],
  [
    'google/gemini-2.5-flash',
    chat({ in: 1000, out: 50, audioIn: 750 }),
    '250·300 + 750·1000 + 50·2500',
    950_000,
  ],
  [
    'google/gemini-2.5-flash',
    chat({ in: 1000, out: 60, cached: 500, audioIn: 300, reasoning: 40 }),
    '200·300 + 500·30 + 300·1000 + (20 + 40)·2500 = 60000 + 15000 + 300000 + 150000',
    525_000,
  ],

  ['groq/llama-3.1-8b-instant', chat({ in: 1234, out: 567 }), '1234·50 + 567·80 = 61700 + 45360', 107_060],
  ['groq/llama-3.1-8b-instant', chat({ in: 7, out: 3 }), '7·50 + 3·80', 590],

  [
    'openrouter/anthropic/claude-sonnet-4',
    chat({ in: 5000, out: 400, written: 4000 }),
    '1000·3000 + 4000·3750 + 400·15000',
    24_000_000,
  ],
  [
    'openrouter/anthropic/claude-sonnet-4',
    chat({ in: 5000, out: 400, cached: 4000, written: 500 }),
    '500·3000 + 4000·300 + 500·3750 + 400·15000 = 1500000 + 1200000 + 1875000 + 6000000',
    10_575_000,
  ],
  ['openrouter/deepseek/deepseek-r1:free', chat({ in: 900, out: 900 }), 'free', 0],

  ['cerebras/gpt-oss-120b', chat({ in: 2000, out: 800, reasoning: 300 }), '2000·350 + 800·750', 1_300_000],

  [
    'deepseek/deepseek-chat',
    {
      prompt_tokens: 1000,
      prompt_cache_hit_tokens: 900,
      prompt_cache_miss_tokens: 100,
      completion_tokens: 10,
    },
    'by day: 100·270 + 900·70 + 10·1100',
    101_000,
  ],
  [
    'deepseek/deepseek-chat',
    {
      prompt_tokens: 1000,
      prompt_cache_hit_tokens: 900,
      prompt_cache_miss_tokens: 100,
      completion_tokens: 10,
    },
    'by night: 100·135 + 900·35 + 10·550',
    50_500,
    NIGHT,
  ],

  ['openai/text-embedding-3-small', { prompt_tokens: 8, total_tokens: 8 }, '8·20', 160],

  ['house/voice', chat({ in: 100, out: 20 }), '100·2500 + 20·10000 + 2000000 for the request', 2_450_000],
  [
    'house/voice',
    chat({ in: 300, out: 90, cached: 100, audioIn: 150, audioOut: 60, reasoning: 10 }),
    '50·2500 + 100·1250 + 150·40000 + 20·10000 + 10·12000 + 60·80000 + 2000000 = 125000 + 125000 + 6000000 + 200000 + 120000 + 4800000 + 2000000',
    13_370_000,
  ],
  [
    'house/voice',
    chat({ in: 1001, out: 1, cached: 1, audioIn: 900 }),
    'above 1000: 100·5000 + 1·2500 + 900·40000 + 1·10000 + 2000000',
    38_512_500,
  ],
];

test('computed costs are those of a calculation by hand, to the last nano-dollar', async (t) => {
  assert.ok(golden.length >= 30);
  const models = new Set(golden.map(([model]) => model));
  assert.ok(models.size >= 10);
  for (const [model, usage, arithmetic, nano, at = DAY] of golden) {
    await t.test(`${model}: ${arithmetic}`, () => {
      const [target] = router.resolve(model, null).targets;
      assert.ok(target);
      const priced = priceOf(target, Date.parse(at));
      assert.equal(costNano(readUsage({ usage }), priced?.price ?? null), nano);
    });
  }
});

test('what has no known price has no cost', () => {
  const cost = (model: string, usage: object) => {
    const [target] = router.resolve(model, null).targets;
    assert.ok(target);
    return costNano(readUsage({ usage }), priceOf(target, Date.parse(DAY))?.price ?? null);
  };
  assert.equal(cost('openai/gpt-of-tomorrow', chat({ in: 1, out: 1 })), null);
  assert.equal(cost('openrouter/anthropic/claude-sonnet-4:nitro', chat({ in: 1, out: 1 })), null);
  assert.equal(cost('openai/gpt-4o', chat({ in: 10, out: 1, audioIn: 5 })), null);
  // A picture costs five times a word there, and the usage does not say which it was.
  assert.equal(cost('google/gemini-2.5-flash-image', chat({ in: 10, out: 1290 })), null);
  assert.equal(cost('openai/whisper-1', chat({ in: 1, out: 1 })), null);
});
