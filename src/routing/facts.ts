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
  /** When that is known without reading the body. */
  readonly inputTokens?: number | null;
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
  readonly answers: number;
  /** Until it was read: a long one must not be held while a provider is waited for. */
  private body: Record<string, unknown> | null;
  private readonly knownTokens: number | null;
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
    this.maxOutputTokens = longestAsked(incoming.endpoint, body);
    const asked = prompts(body.prompt);
    const each = count(body.n) ?? 1;
    this.choices = asked * Math.max(each, count(body.best_of) ?? 1);
    this.answers = Math.min(MAX_ANSWERS, asked * each);
    this.knownTokens = incoming.inputTokens ?? null;
    this.body = body;
  }

  get inputTokens(): number {
    return this.knownTokens ?? this.read().inputTokens;
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

/** Which of two names a server goes by it alone knows, so the larger number counts; a name of another endpoint does not. */
function longestAsked(endpoint: string, body: Record<string, unknown>): number | null {
  const names = endpoint.startsWith('responses')
    ? ['max_output_tokens']
    : ['max_completion_tokens', 'max_tokens'];
  const asked = names.flatMap((name) => count(body[name]) ?? []);
  return asked.length === 0 ? null : Math.max(...asked);
}

/** A list of numbers is one prompt in tokens; a list of anything else is a list of prompts. */
function prompts(prompt: unknown): number {
  return Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1;
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.ceil(value) : null;
}
