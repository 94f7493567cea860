import { v7 as uuidv7 } from 'uuid';
import type { Price } from '../src/config/types.js';
import { type Attempt, type Exchange, openExchange } from '../src/exchange.js';
import type { EndReason, Outcome } from '../src/record.js';

/** Providers and models as a mid-sized team has them: a few do most of the work. */
const TARGETS = [
  ['groq', 'llama-3.1-8b-instant', 50, 80],
  ['groq', 'llama-3.3-70b-versatile', 590, 790],
  ['openai', 'gpt-4.1-mini', 400, 1600],
  ['openai', 'gpt-4.1', 2000, 8000],
  ['openai', 'text-embedding-3-small', 20, 0],
  ['openrouter', 'anthropic/claude-sonnet-4', 3000, 15_000],
  ['openrouter', 'qwen/qwen3-32b', 100, 300],
  ['cerebras', 'llama3.1-8b', 100, 100],
  ['google', 'gemini-2.5-flash', 300, 2500],
  ['lab', 'llama-3.1-8b', 0, 0],
] as const;
/** A route leads to a few targets, and a key belongs to a program, which uses one route and mostly streams or not. */
const ROUTES: readonly (readonly [route: string | null, targets: readonly number[]])[] = [
  ['default', [0, 2, 9]],
  ['cheap', [0, 7, 6]],
  ['smart', [3, 5, 8]],
  ['embed', [4]],
  [null, [1, 2, 5]],
];
const ENDINGS: readonly (readonly [number, Outcome, EndReason, status: number | null])[] = [
  [0.96, 'ok', 'complete', 200],
  [0.97, 'rejected', 'rate_limited', 429],
  [0.975, 'rejected', 'invalid_request', 400],
  [0.983, 'failed', 'upstream_error', 502],
  [0.987, 'failed', 'first_byte_timeout', 504],
  [0.993, 'aborted', 'client_gone', 200],
  [1, 'truncated', 'idle_timeout', 200],
];
const DEAREST = 15_000;
const PRICES = TARGETS.map(
  ([, , input, output]): Price => ({
    input: input * 1_000_000,
    output: output * 1_000_000,
    cachedInput: null,
    cacheWrite: null,
    reasoning: null,
    audioInput: null,
    audioOutput: null,
    request: null,
    tiers: [],
  }),
);

/** Random numbers that are the same in every run. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One settled exchange that started at `startedAt`, of a deployment with `keys` API keys. */
export function someExchange(startedAt: number, random: () => number, keys: number): Exchange {
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() ** 2 * items.length)];
  const key = Math.floor(random() ** 2 * keys);
  const [route = null, targets = []] = ROUTES[key % ROUTES.length] ?? [];
  const [provider, model, inputPrice, outputPrice] = TARGETS[pick(targets) ?? 0] ?? TARGETS[0];
  const luck = random();
  const [, outcome, endReason, status] = ENDINGS.find(([share]) => luck < share) ?? ENDINGS[0] ?? [];
  if (outcome === undefined || endReason === undefined) throw new Error('there are no endings');
  const streaming = random() < (key % 3 === 0 ? 0.05 : 0.97);
  const reached = outcome !== 'rejected';
  const firstContentUs = reached ? Math.round(80_000 * Math.exp(random() * 2.5)) : null;
  const output = outcome === 'ok' ? Math.round(20 + random() ** 3 * 1500) : null;
  const lastByteUs = firstContentUs === null ? null : firstContentUs + (output ?? 50) * 9000;
  const input = Math.round(50 + random() ** 3 * 4000);
  const cached = random() < 0.3 ? Math.round(input * random()) : 0;
  const exchange: Exchange = {
    ...openExchange({ method: 'POST', endpoint: '/v1/chat/completions' }),
    id: uuidv7({ msecs: startedAt }),
    startedAt,
    key: `team-${key}`,
    session: random() < 0.3 ? `s-${Math.floor(startedAt / 600_000)}-${Math.floor(random() * 200)}` : null,
    streaming,
    requestedModel: model,
    route,
    strategy: 'priority',
    status: status ?? null,
    outcome,
    endReason,
    totalUs: (lastByteUs ?? 900) + Math.round(random() * 400),
    bytesIn: input * 4,
  };
  if (outcome !== 'ok') {
    exchange.errorCode = endReason === 'rate_limited' ? 'rate_limit_exceeded' : 'upstream_error';
    exchange.errorMessage = `The upstream said no: ${endReason}.`;
  }
  if (firstContentUs === null || lastByteUs === null) return exchange;
  Object.assign(exchange, {
    provider,
    model,
    responseModel: model,
    upstreamStatus: status,
    firstContentUs,
    lastByteUs,
  });
  Object.assign(exchange, {
    connectUs: Math.round(random() * 60),
    headersUs: firstContentUs - 2000,
    commitUs: firstContentUs + 30,
    overheadUs: Math.round(300 + random() * 500),
    lagUs: Math.round(random() * 2000),
    bytesOut: (output ?? 50) * 12,
    chunks: streaming ? (output ?? 50) : null,
    largestGapUs: streaming ? Math.round(random() * 90_000) : null,
  });
  if (output !== null) {
    exchange.upstreamResponseId = `chatcmpl-${uuidv7().slice(9)}`;
    exchange.finishReason = 'stop';
    exchange.usageSource = 'reported';
    exchange.usage = {
      inputUncached: input - cached,
      cacheRead: cached,
      cacheWrite: null,
      outputText: output,
      reasoning: null,
      audioInput: null,
      audioOutput: null,
      providerCostNano: null,
    };
    exchange.costNano = input * inputPrice + output * outputPrice;
    exchange.dearestCostNano = (input + output) * DEAREST;
    exchange.priceSource = 'config';
    exchange.price =
      PRICES[TARGETS.findIndex((target) => target[0] === provider && target[1] === model)] ?? null;
  }
  exchange.attempts = attemptsOf(exchange, provider, model, random);
  return exchange;
}

function attemptsOf(exchange: Exchange, provider: string, model: string, random: () => number): Attempt[] {
  const { firstContentUs, headersUs, totalUs, outcome, endReason } = exchange;
  const reason = outcome === 'ok' ? 'answered' : endReason;
  const first: Attempt = {
    number: 1,
    provider,
    model,
    decision: 'sent',
    reason,
    status: 200,
    error: null,
    startedUs: 400,
    headersUs,
    firstContentUs,
    totalUs,
    rateLimit: null,
    connectUs: 40,
    costNano: outcome === 'ok' ? exchange.costNano : null,
  };
  if (random() > 0.06) return [first];
  const busy: Attempt = {
    ...first,
    provider: 'cerebras',
    model: 'llama3.1-8b',
    reason: 'http_429',
    status: 429,
    error: 'Too many requests.',
    firstContentUs: null,
    rateLimit: '{"retry-after":"7"}',
  };
  return [busy, { ...first, number: 2, startedUs: 60_000 }];
}
