import { assess, type Complexity } from './complexity.js';
import { type Digest, digest } from './digest.js';

/** What is known about a request before it is sent anywhere. */
export interface RequestFacts {
  /** The family of the endpoint: `chat`, `embeddings`, … one of a small fixed set. */
  readonly endpoint: string;
  readonly streaming: boolean;
  /** Size of the body, in bytes. */
  readonly bodyBytes: number;
  /** The API key's name; null for a caller without one. */
  readonly caller: string | null;
  /** The conversation; null when the client does not say. */
  readonly session: string | null;
  /** The policy that the client asks for by name. */
  readonly policy: string | null;
  /** What the caller's key is bound to. */
  readonly keyPolicy: string | null;
  /** Only targets whose price is known may be used: there is a budget to keep to. */
  readonly pricedOnly: boolean;
  /** The longest answer that the client wants, in tokens; null when it sets no bound. */
  readonly maxOutputTokens: number | null;
  /** How many answers are generated, and billed: with `best_of` more than are sent. */
  readonly choices: number;
  /** How many choices the answer is to hold: `n` for each prompt. */
  readonly answers: number;
  /** Estimated tokens of everything the model reads; `digest.ts` says how. Read from the body at first use. */
  readonly inputTokens: number;
  /** Read from the body at first use. */
  readonly lastUserText: string;
  /** Computed at first use. */
  readonly complexity: Complexity;
}

/** A request as it came in. */
export interface Incoming {
  readonly endpoint: string;
  readonly body: Record<string, unknown>;
  readonly bodyBytes: number;
  readonly caller: string | null;
  readonly session: string | null;
  /** The header `x-gateway-policy`. */
  readonly policy: string | null;
  /** The policy of the caller's key. */
  readonly keyPolicy?: string | null;
  readonly pricedOnly?: boolean;
}

/** More than any provider gives; it bounds what is kept of them while a stream passes. */
const MAX_ANSWERS = 4096;

/** The facts of one request. What takes time to find out is found out once, when somebody asks. */
export function requestFacts({
  body,
  keyPolicy = null,
  pricedOnly = false,
  ...request
}: Incoming): RequestFacts {
  let read: Digest | null = null;
  let complexity: Complexity | null = null;

  function content(): Digest {
    read ??= digest(body);
    return read;
  }

  return {
    ...request,
    keyPolicy,
    pricedOnly,
    streaming: body.stream === true,
    maxOutputTokens:
      count(body.max_completion_tokens) ?? count(body.max_tokens) ?? count(body.max_output_tokens),
    choices: prompts(body.prompt) * Math.max(count(body.n) ?? 1, count(body.best_of) ?? 1),
    answers: Math.min(MAX_ANSWERS, prompts(body.prompt) * (count(body.n) ?? 1)),
    get inputTokens() {
      return content().inputTokens;
    },
    get lastUserText() {
      return content().lastUserText;
    },
    get complexity() {
      complexity ??= assess(content());
      return complexity;
    },
  };
}

/** A list of numbers is one prompt in tokens; a list of anything else is a list of prompts. */
function prompts(prompt: unknown): number {
  return Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1;
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.ceil(value) : null;
}
