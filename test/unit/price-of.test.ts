import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type GatewayOptions, parseConfig } from '../../src/config.js';
import { mayBeListed } from '../../src/prices/genai-prices.js';
import { priceOf } from '../../src/prices/price-of.js';
import { createRouter } from '../../src/routing/router.js';
import { buildTable } from '../../src/routing/table.js';
import { facts } from './routing-fixture.js';

type Providers = NonNullable<GatewayOptions['providers']>;

const NOW = Date.parse('2026-03-01T12:00:00Z');

/** The price of a target; its provider takes any model unless told otherwise. */
function priced(providers: Providers, id: string, now = NOW) {
  const [target] = buildTable(parseConfig({ providers }, {})).resolve(id)?.targets ?? [];
  assert.ok(target);
  return priceOf(target, now);
}

const openai = { type: 'openai', apiKey: 'k' } as const;
const compatible = (baseUrl: string) => ({ lab: { type: 'openai-compatible', baseUrl } }) as const;

test('the configuration comes before the price list', () => {
  const models = { 'gpt-4o': { price: { input: 1 } }, 'gpt-5': {} };
  const own = priced({ a: { ...openai, models } }, 'a/gpt-4o');
  assert.equal(own?.source, 'config');
  assert.deepEqual([own?.price.input, own?.price.output], [1e9, null]);
  assert.match(priced({ a: { ...openai, models } }, 'a/gpt-5')?.source ?? '', /openai\/gpt-5$/);
});

test('a price of the list says which version and which model it is of', () => {
  const manifest = readFileSync('node_modules/@pydantic/genai-prices/package.json', 'utf8');
  const { version } = JSON.parse(manifest);
  assert.equal(priced({ a: openai }, 'a/gpt-4o-2024-11-20')?.source, `genai-prices@${version} openai/gpt-4o`);
});

test('the base URL tells whose prices they are, else the type does', () => {
  const source = (providers: Providers) => priced(providers, 'lab/deepseek-chat')?.source ?? null;
  assert.match(source(compatible('https://api.deepseek.com/v1')) ?? '', /deepseek\//);
  assert.match(source({ lab: { ...openai, baseUrl: 'https://api.deepseek.com/v1' } }) ?? '', /deepseek\//);
  assert.equal(source(compatible('https://llm.example.com/v1')), null);
  assert.equal(source(compatible('http://127.0.0.1:8000/v1')), null);
  const proxied = { lab: { ...openai, baseUrl: 'https://proxy.example.com/openai' } };
  assert.match(priced(proxied, 'lab/gpt-4o')?.source ?? '', /openai\//);
});

test('a price that is not known is null, never zero', () => {
  assert.equal(priced({ a: openai }, 'a/gpt-of-tomorrow'), null);
  assert.equal(priced({ a: openai }, `a/${'x'.repeat(5000)}`), null);
  assert.equal(priced({ e: { type: 'echo' } }, 'e/echo'), null);
  assert.equal(priced({ o: { type: 'ollama' } }, 'o/gpt-4o'), null);
  assert.equal(priced({ a: openai }, 'a/__proto__'), null);
  assert.equal(priced({ c: { type: 'cerebras', apiKey: 'k' } }, 'c/qwen-3-coder-480b'), null);
});

test('a free model of OpenRouter costs zero, which is known', () => {
  const free = priced({ o: { type: 'openrouter', apiKey: 'k' } }, 'o/deepseek/deepseek-r1:free');
  assert.deepEqual([free?.price.input, free?.price.output], [0, 0]);
});

test('the list is not read for what runs in the own network', () => {
  const at = (baseUrl: string) => mayBeListed({ type: 'openai-compatible', baseUrl });
  for (const host of ['localhost', '127.0.0.1', '10.0.0.7', '[::1]', 'vllm', 'gpu.internal', 'mac.local']) {
    assert.equal(at(`http://${host}:8000/v1`), false, host);
  }
  assert.equal(at('https://api.deepseek.com'), true);
  assert.equal(mayBeListed({ type: 'echo', baseUrl: '' }), false);
});

test('configured prices hold from their date on, at midnight UTC', () => {
  const price = [{ input: 3 }, { from: '2026-09-01', input: 1 }, { from: '2026-06-01', input: 2 }];
  const providers: Providers = { a: { ...openai, models: { m: { price } } } };
  const input = (at: string) => priced(providers, 'a/m', Date.parse(at))?.price.input;
  assert.equal(input('2020-01-01T00:00:00Z'), 3e9);
  assert.equal(input('2026-05-31T23:59:59.999Z'), 3e9);
  assert.equal(input('2026-06-01T00:00:00Z'), 2e9);
  assert.equal(input('2026-08-31T23:59:59Z'), 2e9);
  assert.equal(input('2027-01-01T00:00:00Z'), 1e9);
});

test('before its first date a configured price is that of the list', () => {
  const models = { 'gpt-4o': { price: [{ from: '2026-06-01', input: 1 }] } };
  const source = (at: string) => priced({ a: { ...openai, models } }, 'a/gpt-4o', Date.parse(at))?.source;
  assert.match(source('2026-05-31T23:59:59Z') ?? '', /^genai-prices/);
  assert.equal(source('2026-06-01T00:00:00Z'), 'config');
});

test('a price of the list that changes is not remembered beyond its day, in either direction', () => {
  const [target] = buildTable(parseConfig({ providers: { a: openai } }, {})).resolve('a/o3')?.targets ?? [];
  assert.ok(target);
  const input = (at: string) => priceOf(target, Date.parse(at))?.price.input;
  assert.equal(input('2025-06-09T23:59:59.999Z'), 10e9);
  assert.equal(input('2025-06-10T00:00:00Z'), 2e9);
  assert.equal(input('2025-06-09T12:00:00Z'), 10e9);
});

test('a price that depends on the time of day changes to the minute', () => {
  const providers = compatible('https://api.deepseek.com');
  const [target] = buildTable(parseConfig({ providers }, {})).resolve('lab/deepseek-chat')?.targets ?? [];
  assert.ok(target);
  const input = (at: string) => priceOf(target, Date.parse(at))?.price.input;
  assert.equal(input('2026-03-01T16:29:59Z'), 270_000_000);
  assert.equal(input('2026-03-01T16:30:00Z'), 135_000_000);
  assert.equal(input('2026-03-02T00:29:59Z'), 135_000_000);
  assert.equal(input('2026-03-02T00:30:00Z'), 270_000_000);
});

test('while a price holds, the same object is given, also to targets that are made for each request', () => {
  const { provider } =
    buildTable(parseConfig({ providers: { a: openai } }, {})).resolve('a/gpt-5')?.targets[0] ?? {};
  assert.ok(provider);
  const at = (now: number) => priceOf({ id: 'a/gpt-5', provider, model: 'gpt-5', declared: null }, now);
  assert.ok(at(NOW));
  assert.equal(at(NOW), at(NOW + 1000));
});

test('a ceiling of a policy sees the price of now, and that of long requests', () => {
  const providers: Providers = {
    a: {
      ...openai,
      models: {
        falling: {
          price: [
            { input: 10, output: 10 },
            { from: '2026-06-01', input: 1, output: 1 },
          ],
        },
        tiered: { price: { input: 1, output: 1, tiers: [{ above: 1000, input: 5 }] } },
        'gpt-4o': {},
        unknown: {},
      },
    },
  };
  const router = createRouter(
    parseConfig(
      {
        providers,
        routes: { r: { targets: ['a/falling', 'a/tiered', 'a/gpt-4o', 'a/unknown'] } },
        policies: { p: { maxPrice: { input: 3 } } },
      },
      {},
    ),
  );
  const left = (at: string, text = 'Hi') =>
    router
      .plan(router.resolve('r', null), facts(text, { policy: 'p' }), Date.parse(at))
      .candidates.map(({ model }) => model);
  assert.deepEqual(left('2026-05-31T00:00:00Z'), ['tiered', 'gpt-4o']);
  assert.deepEqual(left('2026-06-01T00:00:00Z'), ['falling', 'tiered', 'gpt-4o']);
  assert.deepEqual(left('2026-06-01T00:00:00Z', 'word '.repeat(2000)), ['falling', 'gpt-4o']);
});

test('what is wrong with a list of prices is said with its path', () => {
  const wrong = (price: unknown, message: RegExp) => {
    const providers = { a: { type: 'ollama', models: { m: { price } } } };
    assert.throws(() => parseConfig({ providers }, {}), message);
  };
  wrong([{ input: 1 }, { input: 2 }], /models\.m\.price\[1\] needs a date/);
  wrong([{ from: '2026-02-31', input: 2 }], /price\[0\]\.from is "2026-02-31", which is no day/);
  wrong([{ from: '2026-13-01', input: 2 }], /price\[0\]\.from is "2026-13-01", which is no day/);
  wrong([{ from: 'soon', input: 2 }], /price\[0\]\.from must be a date such as/);
  wrong(
    [
      { from: '2026-02-01', input: 2 },
      { from: '2026-02-01', input: 1 },
    ],
    /\[1\]\.from is .* like that/,
  );
  wrong([{ inptu: 1 }], /price\[0\]\.inptu is not a known key/);
  wrong([], /price must not be empty/);
  wrong({ from: '2026-02-01', input: 2 }, /price\.from is not a known key/);
  wrong({ tiers: [{ above: 0, input: 1 }] }, /tiers\[0\]\.above must be a positive integer/);
  wrong(
    {
      tiers: [
        { above: 5, input: 1 },
        { above: 5, input: 2 },
      ],
    },
    /must not have two tiers above 5 tokens/,
  );
  wrong('cheap', /price must be a price, or a list of prices/);
});
