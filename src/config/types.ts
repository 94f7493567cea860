import type { ProviderType } from '../upstream/presets.js';

/** A complete configuration: every default filled in, durations in integer milliseconds, sizes in bytes. */
export interface Config {
  /** Where the command line listens; the plugin ignores it. */
  readonly server: { readonly host: string; readonly port: number };
  /** False: no ledger. */
  readonly database: false | DatabaseConfig;
  /** Empty: callers need no key, see `anonymous`. */
  readonly keys: readonly KeyConfig[];
  /** Who may call when there are no keys. */
  readonly anonymous: 'loopback' | 'anywhere';
  /** By name; the object has no prototype, so any client-supplied name is safe to look up. */
  readonly providers: Readonly<Record<string, ProviderConfig>>;
  /** By name; the object has no prototype. */
  readonly routes: Readonly<Record<string, RouteConfig>>;
  /** The route for models nothing else knows; null: they are a 404. */
  readonly defaultRoute: string | null;
  /** What happens upstream when the client leaves. */
  readonly disconnect: 'abort';
  /** Largest request body, in bytes. */
  readonly bodyLimit: number;
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
export interface KeyConfig {
  readonly name: string;
  /** The secret that clients send. */
  readonly key: string;
  readonly scopes: readonly ('proxy' | 'read' | 'admin')[];
  /** The only routes the key may use; null: all, and every model. */
  readonly routes: readonly string[] | null;
  /** Whether bodies are stored; null: as the route says. */
  readonly capture: CaptureMode | null;
}

/** One upstream account. */
export interface ProviderConfig {
  readonly name: string;
  readonly type: ProviderType;
  /** Without trailing slash; empty for `echo`. */
  readonly baseUrl: string;
  readonly apiKey: string | null;
  readonly timeouts: TimeoutsConfig;
  /** Declared models by id; empty: any model is accepted. The object has no prototype. */
  readonly models: Readonly<Record<string, ModelConfig>>;
  /** Whether `stream_options.include_usage` may be asked of it. */
  readonly streamUsage: boolean;
  /** The most connections that may be open at once; null: as many as there are calls. */
  readonly connections: number | null;
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

/** One declared model of a provider. */
export interface ModelConfig {
  readonly id: string;
  /** Another name that clients may use. */
  readonly alias: string | null;
  /** Size of the context window, in tokens. */
  readonly context: number | null;
  readonly price: Price | null;
}

/** Integer nano-USD per million tokens; null is unknown. */
export interface Price {
  readonly input: number | null;
  readonly output: number | null;
  readonly cachedInput: number | null;
  readonly cacheWrite: number | null;
  readonly reasoning: number | null;
  /** Integer nano-USD for each request. */
  readonly request: number | null;
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
  readonly strategy: 'priority';
  /** `provider/model`, in order; the provider ends at the first `/`. */
  readonly targets: readonly string[];
  /** Whether bodies are stored; null: as the database says. */
  readonly capture: CaptureMode | null;
}
