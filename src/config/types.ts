import type { StrategyName, Tier } from '../routing/names.js';
import type { ProviderType } from '../upstream/presets.js';

export type { StrategyName, Tier };

/** A complete configuration: every default filled in, durations in integer milliseconds, sizes in bytes. */
export interface Config {
  /** Where the command line listens; the plugin ignores it. */
  readonly server: { readonly host: string; readonly port: number };
  /** False: no ledger. */
  readonly database: false | DatabaseConfig;
  /** Empty: callers need no key, see `anonymous`. */
  readonly keys: readonly KeyConfig[];
  /** What keys that are created at run time are hashed with; null: a random one that the database keeps. */
  readonly keySecret: string | null;
  /** Null: nobody is told about budgets. */
  readonly webhook: WebhookConfig | null;
  /** Who may call when there are no keys. */
  readonly anonymous: 'loopback' | 'anywhere';
  /** By name; the object has no prototype, so any client-supplied name is safe to look up. */
  readonly providers: Readonly<Record<string, ProviderConfig>>;
  /** By name; the object has no prototype. */
  readonly routes: Readonly<Record<string, RouteConfig>>;
  /** By name; the object has no prototype. */
  readonly policies: Readonly<Record<string, PolicyConfig>>;
  /** The route for models nothing else knows; null: they are a 404. */
  readonly defaultRoute: string | null;
  /** The provider of everything that is not routed by a model; null: it is a 404 unless the caller names one. */
  readonly passthroughProvider: string | null;
  /** How often an exchange may try its targets again when none is left. */
  readonly retries: number;
  /** What happens upstream when the client leaves: it is let go, or read on for what it reports. */
  readonly disconnect: 'abort' | 'drain';
  /** With `disconnect: drain`: how long, in milliseconds, and how many bytes are read on. */
  readonly drainLimit: { readonly time: number; readonly bytes: number };
  /** Largest JSON request body, in bytes. */
  readonly bodyLimit: number;
  /** Largest form or other upload, in bytes: it is never held in memory. */
  readonly uploadLimit: number;
  /** How long a client may take no byte of its answer, in milliseconds. */
  readonly clientTimeout: number;
  /** Milliseconds of silence after which a stream gets a comment; null: never. */
  readonly streamPing: number | null;
  /** How long a shutdown waits for live exchanges, in milliseconds. */
  readonly drainTimeout: number;
}

/** Where and how the ledger is kept. */
export interface DatabaseConfig {
  /** A file, or `:memory:`. */
  readonly path: string;
  /** `strict`: the last byte of an answer waits until its record is committed. */
  readonly durability: 'relaxed' | 'strict';
  /** Of which exchanges the bodies are stored, unless their route or key says otherwise. */
  readonly capture: CaptureMode;
  /** Keep the events of captured streams too, beside the answer they make up. */
  readonly captureEvents: boolean;
  /** The most that is stored of a body, in bytes. */
  readonly maxPayload: number;
  /** Paths in bodies whose values are not stored; `*` is any one name or index. */
  readonly redact: readonly string[];
  readonly retention: RetentionConfig;
}

/** `errors`: of exchanges whose outcome is not `ok`. */
export type CaptureMode = 'none' | 'errors' | 'all';

/** What the ledger keeps; null: without end. */
export interface RetentionConfig {
  /** Age of exchanges, in milliseconds. */
  readonly exchanges: number | null;
  /** Age of stored bodies, in milliseconds. */
  readonly payloads: number | null;
  /** Size of the database, in bytes. */
  readonly maxSize: number | null;
}

/** One API key of the gateway itself. */
export interface KeyConfig extends KeyTerms {
  readonly name: string;
  /** The secret that clients send. */
  readonly key: string;
}

/** What a key may be used for, wherever it is kept. */
export interface KeyTerms {
  readonly scopes: readonly Scope[];
  /** The only routes the key may use. Null, as `models` is: all, and every model. */
  readonly routes: readonly string[] | null;
  /** Patterns for the only targets that may be named as `model`, besides `routes`; `*` is any text. */
  readonly models: readonly string[] | null;
  /** The most that may be asked with the key. */
  readonly limits: LimitsConfig | null;
  readonly budget: BudgetConfig | null;
  /** The policy that holds for every request of the key. */
  readonly policy: string | null;
  /** Whether bodies are stored; null: as the route says. */
  readonly capture: CaptureMode | null;
  /** Epoch milliseconds; null: never. */
  readonly expiresAt: number | null;
  /** Words of the operator's own. */
  readonly tags: readonly string[];
}

/** What a key is good for: the `/v1` endpoints, statistics and exchanges, keys and budgets. */
export type Scope = 'proxy' | 'read' | 'admin';

/** The most that a key, or all requests of a route, may cost. */
export interface BudgetConfig {
  /** Integer nano-USD. */
  readonly nano: number;
  /** Periods begin at midnight UTC, weeks on Monday; `total` never begins again. */
  readonly per: 'day' | 'week' | 'month' | 'total';
  /** `soft`: requests beyond it are let through, and told of. */
  readonly kind: 'hard' | 'soft';
}

/** Where it is told that much of a budget is spent. */
export interface WebhookConfig {
  readonly url: string;
  /** What the messages are signed with. */
  readonly secret: string;
}

/** One upstream account. */
export interface ProviderConfig {
  readonly name: string;
  readonly type: ProviderType;
  /** Without trailing slash; empty for `echo`. */
  readonly baseUrl: string;
  readonly apiKey: string | null;
  readonly timeouts: TimeoutsConfig;
  /** Declared models by id; empty, and nothing discovered: any model is accepted. The object has no prototype. */
  readonly models: Readonly<Record<string, ModelConfig>>;
  /** Whether `stream_options.include_usage` may be asked of it. */
  readonly streamUsage: boolean;
  /** The most connections that may be open at once; null: as many as there are calls. */
  readonly connections: number | null;
  /** What the account may be sent; null: only what the provider itself tells is kept to. */
  readonly limits: LimitsConfig | null;
  /** When a target that keeps failing is left alone; null: never. */
  readonly breaker: BreakerConfig | null;
  /** Milliseconds between two readings of the provider's own list of models; null: it is not read. */
  readonly discover: number | null;
  /** Only for type `echo`. */
  readonly echo: EchoConfig | null;
}

/** Deadlines of one attempt, in milliseconds. */
export interface TimeoutsConfig {
  /** Until the connection stands. */
  readonly connect: number;
  /** From the request to the first byte of the answer. */
  readonly firstByte: number;
  /** Between two pieces of the answer. */
  readonly idle: number;
  /** For the whole attempt. */
  readonly total: number;
}

/** The most that an account or a key may send; null is no bound. Windows slide: a limit holds for any minute, any 24 hours. */
export interface LimitsConfig {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly requestsPerHour: number | null;
  readonly tokensPerHour: number | null;
  readonly requestsPerDay: number | null;
  readonly tokensPerDay: number | null;
  /** Calls under way at once. */
  readonly concurrency: number | null;
}

/** When a target counts as broken. Durations are milliseconds. */
export interface BreakerConfig {
  /** So many failures in a row; or half of at least twice as many calls within `windowMs`. */
  readonly failures: number;
  readonly windowMs: number;
  /** How long the target is left alone; doubled each time the call after it fails, up to ten times as long. */
  readonly openMs: number;
}

/** One declared model of a provider. */
export interface ModelConfig {
  readonly id: string;
  /** Another name that clients may use. */
  readonly alias: string | null;
  /** Size of the context window, in tokens. */
  readonly context: number | null;
  /** The longest answer the model gives, in tokens. */
  readonly maxOutput: number | null;
  /** Null counts as `standard`. */
  readonly tier: Tier | null;
  /** From the beginning of time, until the first of `priceChanges`; null: not configured. */
  readonly price: Price | null;
  /** By `from`, ascending. */
  readonly priceChanges: readonly PriceChange[];
}

/** Integer nano-USD per million tokens; null is not known apart. */
export interface Rates {
  readonly input: number | null;
  readonly output: number | null;
  readonly cachedInput: number | null;
  readonly cacheWrite: number | null;
  readonly reasoning: number | null;
  readonly audioInput: number | null;
  readonly audioOutput: number | null;
}

/** What a model costs. */
export interface Price extends Rates {
  /** Integer nano-USD for each request. */
  readonly request: number | null;
  /** By `above`, ascending: what longer requests cost, with all of their tokens. */
  readonly tiers: readonly PriceTier[];
}

/** The rates of requests with more input tokens, of any kind, than `above`. */
export interface PriceTier extends Rates {
  readonly above: number;
}

/** A price and the moment from which it holds, epoch milliseconds. */
export interface PriceChange {
  readonly from: number;
  readonly price: Price;
}

/** How the built-in provider behaves. Durations are milliseconds. */
export interface EchoConfig {
  /** Before the first byte. */
  readonly latency: number;
  /** Between two words. */
  readonly wordDelay: number;
  /** An HTTP status from 400 to 599, a refused connection, or a reset one. */
  readonly fail: null | number | 'refuse' | 'reset';
  /** With `fail: reset`: break off after this many words. */
  readonly failAfter: number | null;
  /** Sent as `retry-after` with `fail: 429` or `503`. */
  readonly retryAfter: number | null;
}

/** A name that clients use as `model`. */
export interface RouteConfig {
  readonly name: string;
  readonly strategy: StrategyName;
  /** `provider/model`, in order and each once; the provider ends at the first `/`. */
  readonly targets: readonly string[];
  /** Relative shares for `weighted`, by target; a target without one has 1. The object has no prototype. */
  readonly weights: Readonly<Record<string, number>>;
  /** Whether a session stays on the target that answered it, while that is usable. */
  readonly sticky: boolean;
  readonly complexity: ThresholdsConfig;
  /** Null: nobody waits for a target to become free. */
  readonly queue: QueueConfig | null;
  /** Null: no request is sent twice to be faster. */
  readonly hedge: HedgeConfig | null;
  /** How often an exchange may try targets again that it has tried already; null: as everywhere. */
  readonly retries: number | null;
  /** Whether bodies are stored; null: as the database says. */
  readonly capture: CaptureMode | null;
  readonly budget: BudgetConfig | null;
}

/** From which complexity score on a request belongs to the tier; below both it is `local`. */
export interface ThresholdsConfig {
  readonly standard: number;
  readonly frontier: number;
}

/** How long requests may wait for a target, in milliseconds, and how many of them. */
export interface QueueConfig {
  readonly maxWait: number;
  readonly maxSize: number;
}

/** When the next target is asked although the first may still answer. */
export interface HedgeConfig {
  /** Milliseconds without content, or the 95th percentile of what the target usually needs. */
  readonly delay: number | 'p95';
  /** The largest part of the route's requests that may be sent twice, from 0 to 1. */
  readonly maxShare: number;
}

/** A named constraint on routing. */
export interface PolicyConfig {
  readonly name: string;
  /** Words, any of which in the last user message selects the policy. */
  readonly keywords: readonly string[];
  /** Patterns for targets, `*` is any text; null: every target. */
  readonly allow: readonly string[] | null;
  readonly deny: readonly string[];
  /** Integer nano-USD per million tokens; null: no ceiling. */
  readonly maxPrice: { readonly input: number | null; readonly output: number | null };
  /** Null: the route's. */
  readonly strategy: StrategyName | null;
  /** The tier to start at; null: what the strategy says. */
  readonly tier: Tier | null;
}
