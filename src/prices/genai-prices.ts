import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as GenaiPrices from '@pydantic/genai-prices';
import { nanoUsd } from '../config/prices.js';
import type { Price, Rates } from '../config/types.js';
import type { ProviderConfig } from '../config.js';
import { recordOf } from '../stream/json.js';
import type { ProviderType } from '../upstream/presets.js';

/** What the price list of the package `@pydantic/genai-prices` says about a model. */
export interface Listed {
  readonly price: Price;
  /** The package with its version, and the model it took it for. */
  readonly source: string;
}

/** The answer of the list, and from when until when it holds, epoch milliseconds. */
export interface Lookup {
  readonly listed: Listed | null;
  readonly from: number;
  readonly until: number;
}

interface List extends Pick<typeof GenaiPrices, 'calcPrice' | 'findProvider'> {
  readonly version: string;
}

type ListedModel = NonNullable<GenaiPrices.PriceCalculationResult>;

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const MAX_SOURCE = 160;
const MAX_MODEL = 256;
const always = { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };

/** What a provider of a type is called in the list. The others run on the operator's own machines. */
const idsByType: Partial<Record<ProviderType, string>> = {
  openai: 'openai',
  openrouter: 'openrouter',
  groq: 'groq',
  cerebras: 'cerebras',
  google: 'google',
};

const require = createRequire(import.meta.url);
let list: List | null = null;

/** Whether the list may know the provider: it need not be read for what runs in the operator's own network. */
export function mayBeListed({ type, baseUrl }: Pick<ProviderConfig, 'type' | 'baseUrl'>): boolean {
  if (type === 'echo') return false;
  return idsByType[type] !== undefined || isPublicName(baseUrl);
}

/**
 * Reads the list, once. About 40 ms of computing and 2 MB of heap, so it is not done at start-up, but when the first
 * price is asked for, or once the server listens.
 */
export function readPriceList(): List {
  if (list !== null) return list;
  const { calcPrice, findProvider }: typeof GenaiPrices = require('@pydantic/genai-prices');
  const manifest: unknown = JSON.parse(
    readFileSync(join(require.resolve('@pydantic/genai-prices'), '../../package.json'), 'utf8'),
  );
  list = { calcPrice, findProvider, version: String(recordOf(manifest).version) };
  return list;
}

/**
 * The price of a provider's model at a moment (epoch ms). The base URL tells whose prices they are, else the type.
 * About 0.1 ms for a provider with many models, so the answer is to be kept. Null for a model the list does not know,
 * and for one that has no price for text there.
 */
export function lookUpPrice(
  provider: Pick<ProviderConfig, 'type' | 'baseUrl'>,
  model: string,
  now: number,
): Lookup {
  const unknown = { listed: null, ...always };
  if (model.length > MAX_MODEL || !mayBeListed(provider)) return unknown;
  const { calcPrice, findProvider, version } = readPriceList();
  const id = findProvider({ providerApiUrl: provider.baseUrl })?.id ?? idsByType[provider.type];
  if (id === undefined) return unknown;
  // Gemini's own name for a model is a path.
  const name = model.replace(/^models\//, '');
  const found = calcPrice({}, name, { providerId: id, timestamp: new Date(now) });
  if (found === null) return unknown;
  const price = priceOf(found);
  const source = `genai-prices@${version} ${found.provider.id}/${found.model.id}`.slice(0, MAX_SOURCE);
  return { listed: price === null ? null : { price, source }, ...validity(found, now) };
}

/** Dates in the list are midnights of UTC; some prices also depend on the time of day, which is looked at by the minute. */
function validity({ model: { prices } }: ListedModel, now: number): Pick<Lookup, 'from' | 'until'> {
  if (!Array.isArray(prices)) return always;
  const step = prices.some(({ constraint }) => constraint?.type === 'time_of_date') ? MINUTE_MS : DAY_MS;
  const from = Math.floor(now / step) * step;
  return { from, until: from + step };
}

function priceOf({ model, model_price: prices }: ListedModel): Price | null {
  const { input_mtok, output_mtok } = prices;
  // OpenRouter's free models stand there without any price, like models of which nothing is known.
  if (input_mtok === undefined && output_mtok === undefined) return model.id.endsWith(':free') ? free : null;
  const starts = new Set<number>();
  for (const value of Object.values(prices)) {
    if (typeof value === 'object') for (const { start } of value.tiers) starts.add(start);
  }
  const perThousandRequests = prices.requests_kcount;
  return {
    ...ratesOf(prices, 0),
    request: typeof perThousandRequests === 'number' ? nanoUsd(perThousandRequests / 1000) : null,
    tiers: [...starts].sort((a, b) => a - b).map((above) => ({ above, ...ratesOf(prices, above + 1) })),
  };
}

/** The rates for so many input tokens. */
function ratesOf(prices: GenaiPrices.ModelPrice, inputTokens: number): Rates {
  const rate = (key: string): number | null => {
    const value = prices[key];
    if (typeof value !== 'object') return nanoUsd(value);
    // Some data of the package has not been through its constructor, which sorts.
    const reached = [...value.tiers]
      .sort((a, b) => b.start - a.start)
      .find(({ start }) => inputTokens > start);
    return nanoUsd(reached?.price ?? value.base);
  };
  // The usage does not say how many of the tokens were pictures: where these cost something else, nobody knows.
  const isApart = (kind: string) => prices[kind] !== undefined;
  return {
    input: isApart('input_image_mtok') || isApart('input_video_mtok') ? null : rate('input_mtok'),
    output: isApart('output_image_mtok') || isApart('output_video_mtok') ? null : rate('output_mtok'),
    cachedInput: rate('cache_read_mtok'),
    cacheWrite: rate('cache_write_mtok'),
    reasoning: rate('output_reasoning_mtok'),
    audioInput: rate('input_audio_mtok'),
    audioOutput: rate('output_audio_mtok'),
  };
}

const free: Price = {
  input: 0,
  output: 0,
  cachedInput: 0,
  cacheWrite: 0,
  reasoning: 0,
  audioInput: null,
  audioOutput: null,
  request: null,
  tiers: [],
};

/** A host name with a dot in it, which is no address. */
function isPublicName(baseUrl: string): boolean {
  const host = URL.canParse(baseUrl) ? new URL(baseUrl).hostname : '';
  return /\.[a-z][a-z0-9-]*$/i.test(host) && !host.endsWith('.local') && !host.endsWith('.internal');
}
