import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readUsage, type Usage } from '../../src/stream/usage.js';

const NONE: Usage = {
  inputUncached: null,
  cacheRead: null,
  cacheWrite: null,
  outputText: null,
  reasoning: null,
  audioInput: null,
  audioOutput: null,
  providerCostNano: null,
};

function check(body: unknown, expected: Partial<Usage>): void {
  assert.deepEqual(readUsage(body), { ...NONE, ...expected });
}

test('chat usage falls into disjoint buckets', () => {
  const usage = {
    prompt_tokens: 100,
    completion_tokens: 60,
    total_tokens: 160,
    prompt_tokens_details: { cached_tokens: 40, audio_tokens: 10 },
    completion_tokens_details: { reasoning_tokens: 20, audio_tokens: 5, accepted_prediction_tokens: 0 },
  };
  check(
    { usage },
    { inputUncached: 50, cacheRead: 40, outputText: 35, reasoning: 20, audioInput: 10, audioOutput: 5 },
  );
});

test('what is not reported is null, and a reported zero is zero', () => {
  check({ usage: { prompt_tokens: 7, completion_tokens: 0 } }, { inputUncached: 7, outputText: 0 });
  const details = { cached_tokens: 0 };
  check({ usage: { prompt_tokens: 7, prompt_tokens_details: details } }, { inputUncached: 7, cacheRead: 0 });
});

test('embeddings report no output', () => {
  check({ usage: { prompt_tokens: 8, total_tokens: 8 } }, { inputUncached: 8 });
});

test('responses usage is read at the top and below `response`', () => {
  const usage = {
    input_tokens: 30,
    input_tokens_details: { cached_tokens: 10 },
    output_tokens: 25,
    output_tokens_details: { reasoning_tokens: 20 },
    total_tokens: 55,
  };
  const expected = { inputUncached: 20, cacheRead: 10, outputText: 5, reasoning: 20 };
  check({ usage }, expected);
  check({ type: 'response.completed', response: { usage } }, expected);
});

test('a transcription spells its details in the singular', () => {
  const usage = {
    input_tokens: 14,
    input_token_details: { text_tokens: 4, audio_tokens: 10 },
    output_tokens: 45,
  };
  check({ type: 'transcript.text.done', usage }, { inputUncached: 4, audioInput: 10, outputText: 45 });
});

test('Groq reports below x_groq', () => {
  const usage = { prompt_tokens: 5, completion_tokens: 6, total_tokens: 11, queue_time: 0.1 };
  check({ x_groq: { id: 'req', usage } }, { inputUncached: 5, outputText: 6 });
  check({ usage: null, x_groq: { usage } }, { inputUncached: 5, outputText: 6 });
});

test('DeepSeek reports its cache beside the totals', () => {
  const usage = {
    prompt_tokens: 20,
    prompt_cache_hit_tokens: 12,
    prompt_cache_miss_tokens: 8,
    completion_tokens: 3,
  };
  check({ usage }, { inputUncached: 8, cacheRead: 12, outputText: 3 });
});

test('OpenRouter reports cost in USD and cache writes', () => {
  const details = { cached_tokens: 2, cache_write_tokens: 5 };
  const usage = { prompt_tokens: 10, prompt_tokens_details: details, completion_tokens: 1, cost: 0.00014 };
  check(
    { usage },
    { inputUncached: 3, cacheRead: 2, cacheWrite: 5, outputText: 1, providerCostNano: 140_000 },
  );
  check({ usage: { cost: 0 } }, { providerCostNano: 0 });
});

test('reasoning beside completion_tokens is recognised by the total', () => {
  const xai = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 115 };
  const details = { completion_tokens_details: { reasoning_tokens: 100 } };
  check({ usage: { ...xai, ...details } }, { inputUncached: 10, outputText: 5, reasoning: 100 });
  // Gemini's OpenAI endpoint names them in the total alone.
  check({ usage: xai }, { inputUncached: 10, outputText: 5, reasoning: 100 });
});

test('garbage is unknown, never zero or negative', () => {
  check({ usage: { prompt_tokens: '12', completion_tokens: 4 } }, { outputText: 4 });
  check({ usage: { prompt_tokens: 1.5, completion_tokens: 4 } }, { outputText: 4 });
  assert.equal(readUsage({ usage: { prompt_tokens: -1, completion_tokens: Number.NaN, cost: -1 } }), null);
  for (const body of [null, undefined, 'x', 3, [], {}, { usage: null }, { usage: [] }, { usage: {} }]) {
    assert.equal(readUsage(body), null);
  }
});

const detail = fc.record(
  {
    cached_tokens: fc.oneof(fc.nat(500), fc.jsonValue()),
    cache_write_tokens: fc.nat(500),
    audio_tokens: fc.nat(500),
    reasoning_tokens: fc.oneof(fc.nat(500), fc.jsonValue()),
  },
  { requiredKeys: [] },
);

test('the buckets add up to what was reported, whatever the details claim', () => {
  const reported = fc.record(
    {
      prompt_tokens_details: detail,
      completion_tokens_details: detail,
      prompt_tokens: fc.nat(500),
      completion_tokens: fc.nat(500),
    },
    { requiredKeys: ['prompt_tokens', 'completion_tokens'] },
  );
  fc.assert(
    fc.property(reported, (usage) => {
      const read = readUsage({ usage });
      assert.ok(read);
      const { providerCostNano: _, ...buckets } = read;
      const parts = Object.values(buckets).map((part) => part ?? 0);
      assert.ok(parts.every((part) => part >= 0));
      assert.equal(
        parts.reduce((sum, part) => sum + part, 0),
        usage.prompt_tokens + usage.completion_tokens,
      );
    }),
  );
});

test('no JSON makes it throw', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (usage) => void readUsage({ usage, response: usage, x_groq: usage })),
  );
});

test('what a provider says the exchange cost is read wherever it stands', () => {
  const cost = (fields: object) => readUsage({ usage: fields })?.providerCostNano ?? null;
  assert.equal(cost({ cost: 0.00014 }), 140_000);
  assert.equal(cost({ total_cost: 0.002 }), 2_000_000);
  // Perplexity.
  assert.equal(
    cost({ cost: { input_tokens_cost: 0.001, request_cost: 0.005, total_cost: 0.006 } }),
    6_000_000,
  );
  assert.equal(cost({ cost_details: { total_cost: 0.25 } }), 250_000_000);
  // DeepInfra.
  assert.equal(cost({ estimated_cost: 1e-9 }), 1);
  // xAI: ten billionths of a dollar.
  assert.equal(cost({ cost_in_usd_ticks: 12_345_670 }), 1_234_567);
});

test('with a key of one’s own OpenRouter’s cost is its fee, and the model’s provider charges the rest', () => {
  const usage = { cost: 0.0005, cost_details: { upstream_inference_cost: 0.01 } };
  check({ usage: { ...usage, is_byok: true } }, { providerCostNano: 10_500_000 });
  check({ usage: { ...usage, is_byok: false } }, { providerCostNano: 500_000 });
  check({ usage: { ...usage, cost_details: null, is_byok: true } }, { providerCostNano: 500_000 });
});

test('a cost that is no amount of money is not known', () => {
  for (const cost of [-1, '0.1', null, Number.NaN, 1e300, [], {}, { total_cost: '1' }, { total_cost: -1 }]) {
    assert.equal(readUsage({ usage: { cost } }), null, JSON.stringify(cost));
  }
});
