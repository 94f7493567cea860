import type { Quota } from '../../routing/quota.js';
import type { ProviderType } from '../presets.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './duration.js';

/** The headers that tell of one limit, names in lower case. */
export interface HeaderRow {
  readonly resource: Quota['resource'];
  /** Null when the provider's documentation does not say which period it is. */
  readonly windowMs: number | null;
  readonly limit: string;
  readonly remaining: string;
  readonly reset: string;
}

/** How a kind of provider tells of its limits in headers. */
export interface Dialect {
  readonly rows: readonly HeaderRow[];
  /** Whether `ratelimit` and `ratelimit-policy` of the IETF draft are read as well. */
  readonly structured: boolean;
}

type Resource = Quota['resource'];

/** `x-ratelimit-limit-tokens`, `x-ratelimit-remaining-tokens`, `x-ratelimit-reset-tokens`. */
function suffixed(resource: Resource, windowMs: number | null, suffix: string = resource): HeaderRow {
  return row(resource, windowMs, (part) => `x-ratelimit-${part}-${suffix}`);
}

/** `x-ratelimit-limit`, `x-ratelimit-remaining`, `x-ratelimit-reset`: requests, of a period nobody names. */
function bare(prefix: string): HeaderRow {
  return row('requests', null, (part) => `${prefix}-${part}`);
}

/** `anthropic-ratelimit-tokens-limit`, `anthropic-ratelimit-tokens-remaining`, `anthropic-ratelimit-tokens-reset`. */
function anthropicOf(resource: Resource, name: string = resource): HeaderRow {
  return row(resource, MINUTE_MS, (part) => `anthropic-ratelimit-${name}-${part}`);
}

function row(resource: Resource, windowMs: number | null, name: (part: string) => string): HeaderRow {
  return { resource, windowMs, limit: name('limit'), remaining: name('remaining'), reset: name('reset') };
}

/**
 * https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers"; resets are durations (`1s`, `6m0s`).
 * Tokens are per minute. Requests are per minute or per day, depending on the account's tier and the model, and no
 * header says which. Azure sends the same names with resets in seconds, and -1 where it does not know.
 */
const openai: readonly HeaderRow[] = [
  suffixed('requests', null),
  suffixed('tokens', MINUTE_MS),
  suffixed('tokens', MINUTE_MS, 'project-tokens'),
];

/** https://console.groq.com/docs/rate-limits: "always refers to" requests per day, tokens per minute; `2m59.56s`. */
const groq: readonly HeaderRow[] = [suffixed('requests', DAY_MS), suffixed('tokens', MINUTE_MS)];

/**
 * https://inference-docs.cerebras.ai/support/rate-limits: resets in seconds with a fraction. The table there has
 * requests per day and tokens per minute; limits exist for all three periods of both.
 */
const cerebras: readonly HeaderRow[] = [
  suffixed('requests', DAY_MS, 'requests-day'),
  suffixed('tokens', MINUTE_MS, 'tokens-minute'),
  suffixed('requests', MINUTE_MS, 'requests-minute'),
  suffixed('requests', HOUR_MS, 'requests-hour'),
  suffixed('tokens', HOUR_MS, 'tokens-hour'),
  suffixed('tokens', DAY_MS, 'tokens-day'),
];

/**
 * https://openrouter.ai/docs/api-reference/limits: on the error answer, and again in its body as
 * `error.metadata.headers`; resets in epoch milliseconds, of a minute or a day.
 */
export const openrouterRows: readonly HeaderRow[] = [bare('x-ratelimit')];

/** https://docs.anthropic.com/en/api/rate-limits, "Response headers": RFC 3339 instants; all limits per minute. */
const anthropic: readonly HeaderRow[] = [
  anthropicOf('requests'),
  anthropicOf('tokens'),
  anthropicOf('tokens', 'input-tokens'),
  anthropicOf('tokens', 'output-tokens'),
];

/** https://docs.digitalocean.com/products/inference/reference/quota-specific-response-headers: epoch seconds. */
const digitalOcean: readonly HeaderRow[] = [
  suffixed('tokens', MINUTE_MS, 'tokens-per-minute'),
  suffixed('tokens', DAY_MS, 'tokens-per-day'),
];

/** draft-ietf-httpapi-ratelimit-headers, up to 06: resets in seconds. */
const draft: readonly HeaderRow[] = [bare('ratelimit')];

/** Names without periods: of a server nobody knows, `tokens` may be for any. */
const anybody: readonly HeaderRow[] = [suffixed('requests', null), suffixed('tokens', null)];

const silent: Dialect = { rows: [], structured: false };

/**
 * Which headers are read from which kind of provider. Google says nothing in headers (its error bodies are read),
 * and neither do the local servers (https://github.com/ollama/ollama/blob/main/docs/api.md has no limits at all).
 */
export const dialects: Readonly<Record<ProviderType, Dialect>> = {
  openai: { rows: openai, structured: false },
  openrouter: { rows: openrouterRows, structured: false },
  groq: { rows: groq, structured: false },
  cerebras: { rows: cerebras, structured: false },
  google: silent,
  'lm-studio': silent,
  ollama: silent,
  'openai-compatible': {
    rows: [
      ...anybody,
      ...openrouterRows,
      ...draft,
      suffixed('tokens', null, 'project-tokens'),
      ...cerebras,
      ...anthropic,
      ...digitalOcean,
    ],
    structured: true,
  },
  echo: silent,
};
