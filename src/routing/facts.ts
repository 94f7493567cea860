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
  /** How many answers it wants. */
  readonly choices: number;
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

/**
 * The facts of one request. What takes time to find out is found out once, when somebody asks; a copy by `...` is without it.
 */
export function requestFacts(incoming: Incoming): RequestFacts {
  return new Facts(incoming);
}

/** A class, because every request has one: the getters are made once, and each object is the same few fields. */
class Facts implements RequestFacts {
  readonly endpoint: string;
  readonly streaming: boolean;
  readonly bodyBytes: number;
  readonly caller: string | null;
  readonly session: string | null;
  readonly policy: string | null;
  readonly keyPolicy: string | null;
  readonly pricedOnly: boolean;
  readonly maxOutputTokens: number | null;
  readonly choices: number;
  /** Until it was read: a long one must not be held while a provider is waited for. */
  private body: Record<string, unknown> | null;
  private content: Digest | null = null;
  private judged: Complexity | null = null;

  constructor(incoming: Incoming) {
    const { body } = incoming;
    this.endpoint = incoming.endpoint;
    this.streaming = body.stream === true;
    this.bodyBytes = incoming.bodyBytes;
    this.caller = incoming.caller;
    this.session = incoming.session;
    this.policy = incoming.policy;
    this.keyPolicy = incoming.keyPolicy ?? null;
    this.pricedOnly = incoming.pricedOnly ?? false;
    this.maxOutputTokens =
      count(body.max_completion_tokens) ?? count(body.max_tokens) ?? count(body.max_output_tokens);
    this.choices = choicesOf(body);
    this.body = body;
  }

  get inputTokens(): number {
    return this.read().inputTokens;
  }

  get lastUserText(): string {
    return this.read().lastUserText;
  }

  get complexity(): Complexity {
    this.judged ??= assess(this.read());
    return this.judged;
  }

  private read(): Digest {
    this.content ??= digest(this.body ?? {});
    this.body = null;
    return this.content;
  }
}

/** `best_of` answers are generated, and billed, of which `n` are shown; each prompt of a list has its own. */
function choicesOf({ n, best_of: bestOf, prompt }: Record<string, unknown>): number {
  const prompts = Array.isArray(prompt) && typeof prompt[0] !== 'number' ? prompt.length : 1;
  return Math.max(1, prompts) * Math.max(count(n) ?? 1, count(bestOf) ?? 1);
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.ceil(value) : null;
}
