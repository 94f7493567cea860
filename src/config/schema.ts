import Type from 'typebox';
import { strategyNames, tiers } from '../routing/names.js';
import { providerTypes } from '../upstream/presets.js';
import { BYTES_PATTERN, DURATION_PATTERN, INSTANT_PATTERN } from './units.js';

// `expects` finishes the sentence "<path> must be ..." in error messages.
const CONTROL = '\\u0000-\\u001f\\u007f-\\u009f';
const closed = { additionalProperties: false };

const Duration = Type.Union([Type.Integer({ minimum: 0 }), Type.String({ pattern: DURATION_PATTERN })], {
  expects: 'a duration such as 250ms, 30s, 5m, 24h or 7d, or integer milliseconds',
});
const Bytes = Type.Union([Type.Integer({ minimum: 1 }), Type.String({ pattern: BYTES_PATTERN })], {
  expects: 'a size such as 512kB, 32MB or 32MiB, or integer bytes',
});
const Count = Type.Integer({ minimum: 1, expects: 'a positive integer' });
const Usd = Type.Number({ minimum: 0, maximum: 1e6, expects: 'a number of USD between 0 and 1000000' });
const Name = Type.String({
  pattern: `^[^\\s${CONTROL}]{1,128}$`,
  expects: 'a name of 1 to 128 characters without whitespace',
});
const Text = Type.String({ minLength: 1, expects: 'a non-empty string' });
const Credential = Type.String({
  pattern: '^[\\u0021-\\u007e]+$',
  expects: 'a non-empty string of printable ASCII characters without spaces',
});
const ProviderName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$',
  expects: 'a provider name of at most 64 letters, digits, - and _, starting with a letter or digit',
});
const ModelId = Type.String({
  pattern: `^[^\\s${CONTROL}]{1,256}$`,
  expects: 'a model id of 1 to 256 characters without whitespace',
});
const Target = Type.String({ pattern: '^[^/\\s]+/\\S+$', expects: 'a target written provider/model' });
const Retries = Type.Integer({ minimum: 0, maximum: 10, expects: 'an integer between 0 and 10' });
const Strategy = Type.Enum(strategyNames);
const Tier = Type.Enum(tiers);
const Share = Type.Number({ minimum: 0, maximum: 1, expects: 'a number between 0 and 1' });
const Weight = Type.Number({
  exclusiveMinimum: 0,
  maximum: 1e6,
  expects: 'a number above 0 and up to 1000000',
});
const Pattern = Type.String({
  pattern: `^[^\\s${CONTROL}]{1,256}$`,
  expects: 'a target or a pattern such as groq/* of 1 to 256 characters without whitespace',
});

const Capture = Type.Enum(['none', 'errors', 'all']);

const Server = Type.Object(
  {
    host: Type.Optional(Text),
    port: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 65535, expects: 'a port number between 0 and 65535' }),
    ),
  },
  { ...closed, description: 'Where the command line listens.' },
);

const Database = Type.Object(
  {
    path: Type.Optional(Text),
    durability: Type.Optional(Type.Enum(['relaxed', 'strict'])),
    capture: Type.Optional(Capture),
    captureEvents: Type.Optional(Type.Boolean()),
    maxPayload: Type.Optional(Bytes),
    redact: Type.Optional(
      Type.Array(
        Type.String({ pattern: '^[^.]+(\\.[^.]+)*$', expects: 'a path such as messages.*.content' }),
      ),
    ),
    retention: Type.Optional(
      Type.Object(
        {
          exchanges: Type.Optional(Duration),
          payloads: Type.Optional(Duration),
          maxSize: Type.Optional(Bytes),
        },
        closed,
      ),
    ),
  },
  closed,
);

const Limits = Type.Object(
  {
    requestsPerMinute: Type.Optional(Count),
    tokensPerMinute: Type.Optional(Count),
    requestsPerHour: Type.Optional(Count),
    tokensPerHour: Type.Optional(Count),
    requestsPerDay: Type.Optional(Count),
    tokensPerDay: Type.Optional(Count),
    concurrency: Type.Optional(Count),
  },
  closed,
);

const Secret = Type.String({
  pattern: '^[\\u0021-\\u007e]{16,}$',
  expects: 'at least 16 printable ASCII characters without spaces',
});

const Budget = Type.Object(
  {
    usd: Usd,
    per: Type.Enum(['day', 'week', 'month', 'total']),
    kind: Type.Optional(Type.Enum(['hard', 'soft'])),
  },
  closed,
);

const rates = {
  input: Type.Optional(Usd),
  output: Type.Optional(Usd),
  cachedInput: Type.Optional(Usd),
  cacheWrite: Type.Optional(Usd),
  reasoning: Type.Optional(Usd),
  audioInput: Type.Optional(Usd),
  audioOutput: Type.Optional(Usd),
};
const fees = {
  request: Type.Optional(Usd),
  tiers: Type.Optional(Type.Array(Type.Object({ above: Count, ...rates }, closed), { minItems: 1 })),
};

const keyTerms = {
  scopes: Type.Optional(Type.Array(Type.Enum(['proxy', 'read', 'admin']), { minItems: 1 })),
  routes: Type.Optional(Type.Array(Name, { minItems: 1 })),
  models: Type.Optional(Type.Array(Pattern, { minItems: 1 })),
  limits: Type.Optional(Limits),
  budget: Type.Optional(Budget),
  policy: Type.Optional(Name),
  capture: Type.Optional(Capture),
  expires: Type.Optional(
    Type.String({ pattern: INSTANT_PATTERN, expects: 'a date such as 2026-01-31 or 2026-01-31T12:00:00Z' }),
  ),
  tags: Type.Optional(Type.Array(Name, { minItems: 1 })),
};

/** What a key may be used for, as written: in the configuration, and as text in the database. */
export const KeyTermsSchema = Type.Object(keyTerms, closed);
export type KeyTermsOptions = Type.Static<typeof KeyTermsSchema>;
/** The name of a key. */
export const KeyNameSchema = Name;

const Key = Type.Object({ name: Name, key: Secret, ...keyTerms }, closed);

const Price = Type.Object(
  { ...rates, ...fees },
  { ...closed, description: 'USD per million tokens; `request` is USD per request.' },
);
const DatedPrice = Type.Object(
  {
    from: Type.Optional(
      Type.String({
        pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$',
        expects: 'a date such as 2026-01-31 (it begins at midnight UTC)',
      }),
    ),
    ...rates,
    ...fees,
  },
  closed,
);

const Model = Type.Object(
  {
    alias: Type.Optional(Name),
    tier: Type.Optional(Tier),
    context: Type.Optional(Count),
    maxOutput: Type.Optional(Count),
    price: Type.Optional(
      Type.Union([Price, Type.Array(DatedPrice, { minItems: 1 })], {
        expects: 'a price, or a list of prices with the dates from which they hold',
      }),
    ),
  },
  closed,
);

const Timeouts = Type.Object(
  {
    connect: Type.Optional(Duration),
    firstByte: Type.Optional(Duration),
    idle: Type.Optional(Duration),
    total: Type.Optional(Duration),
  },
  closed,
);

const Breaker = Type.Object(
  {
    failures: Type.Optional(Count),
    window: Type.Optional(Duration),
    open: Type.Optional(Duration),
  },
  closed,
);

const echoKeys = {
  latency: Type.Optional(Duration),
  wordDelay: Type.Optional(Duration),
  fail: Type.Optional(
    Type.Union([Type.Integer({ minimum: 400, maximum: 599 }), Type.Enum(['refuse', 'reset'])], {
      expects: 'an HTTP status between 400 and 599, "refuse" or "reset"',
    }),
  ),
  failAfter: Type.Optional(Type.Integer({ minimum: 0, expects: 'a number of words' })),
  retryAfter: Type.Optional(Duration),
};

/** The keys of a provider that only `type: echo` has. */
export const echoOnly: readonly string[] = Object.keys(echoKeys);

const Provider = Type.Object(
  {
    type: Type.Enum(providerTypes),
    baseUrl: Type.Optional(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9+.-]*://\\S+$', expects: 'a URL' })),
    apiKey: Type.Optional(Credential),
    timeouts: Type.Optional(Timeouts),
    models: Type.Optional(Type.Record(Type.String(), Model, { propertyNames: ModelId })),
    streamUsage: Type.Optional(Type.Boolean()),
    connections: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_000, expects: 'an integer between 1 and 10000' }),
    ),
    limits: Type.Optional(Limits),
    breaker: Type.Optional(
      Type.Union([Type.Literal(false), Breaker], { expects: 'an object, or false for no breaker' }),
    ),
    discover: Type.Optional(
      Type.Union([Type.Boolean(), Duration], { expects: 'true, false, or a duration such as 10m' }),
    ),
    ...echoKeys,
  },
  closed,
);

const Route = Type.Object(
  {
    strategy: Type.Optional(Strategy),
    targets: Type.Array(Target, { minItems: 1 }),
    queue: Type.Optional(
      Type.Object({ maxWait: Type.Optional(Duration), maxSize: Type.Optional(Count) }, closed),
    ),
    weights: Type.Optional(Type.Record(Type.String(), Weight, { propertyNames: Target })),
    sticky: Type.Optional(Type.Boolean()),
    complexity: Type.Optional(
      Type.Object({ standard: Type.Optional(Share), frontier: Type.Optional(Share) }, closed),
    ),
    hedge: Type.Optional(
      Type.Object(
        {
          delay: Type.Optional(
            Type.Union([Type.Literal('p95'), Duration], { expects: 'p95, or a duration such as 500ms' }),
          ),
          maxShare: Type.Optional(Share),
        },
        closed,
      ),
    ),
    retries: Type.Optional(Retries),
    capture: Type.Optional(Capture),
    budget: Type.Optional(Budget),
  },
  closed,
);

const Policy = Type.Object(
  {
    keywords: Type.Optional(
      Type.Array(Type.String({ pattern: '\\S', maxLength: 200, expects: 'a word or words' }), {
        minItems: 1,
      }),
    ),
    allow: Type.Optional(Type.Array(Pattern, { minItems: 1 })),
    deny: Type.Optional(Type.Array(Pattern, { minItems: 1 })),
    maxPrice: Type.Optional(Type.Object({ input: Type.Optional(Usd), output: Type.Optional(Usd) }, closed)),
    strategy: Type.Optional(Strategy),
    tier: Type.Optional(Tier),
  },
  closed,
);

const Webhook = Type.Object(
  { url: Type.String({ pattern: '^https?://\\S+$', expects: 'a URL with http or https' }), secret: Secret },
  closed,
);

/** Everything a user may write, as JSON Schema: in a file for the command line, or as options of the plugin. */
export const ConfigSchema = Type.Object(
  {
    server: Type.Optional(Server),
    database: Type.Optional(
      Type.Union([Type.Literal(false), Database], { expects: 'an object, or false for no ledger' }),
    ),
    keys: Type.Optional(Type.Array(Key)),
    keySecret: Type.Optional(Secret),
    webhook: Type.Optional(Webhook),
    anonymous: Type.Optional(Type.Enum(['loopback', 'anywhere'])),
    providers: Type.Optional(Type.Record(Type.String(), Provider, { propertyNames: ProviderName })),
    routes: Type.Optional(Type.Record(Type.String(), Route, { propertyNames: Name })),
    policies: Type.Optional(Type.Record(Type.String(), Policy, { propertyNames: Name })),
    defaultRoute: Type.Optional(Name),
    passthroughProvider: Type.Optional(Name),
    disconnect: Type.Optional(Type.Enum(['abort', 'drain'])),
    retries: Type.Optional(Retries),
    drainLimit: Type.Optional(
      Type.Object({ time: Type.Optional(Duration), bytes: Type.Optional(Bytes) }, closed),
    ),
    bodyLimit: Type.Optional(Bytes),
    uploadLimit: Type.Optional(Bytes),
    drainTimeout: Type.Optional(Duration),
    clientTimeout: Type.Optional(Duration),
    streamPing: Type.Optional(Duration),
  },
  closed,
);

/** What a user writes: every key is optional. */
export type GatewayOptions = Type.Static<typeof ConfigSchema>;
/** One entry of `providers` as written. */
export type ProviderOptions = Type.Static<typeof Provider>;
/** One entry of `models` as written. */
export type ModelOptions = Type.Static<typeof Model>;
/** One entry of `routes` as written. */
export type RouteOptions = Type.Static<typeof Route>;
/** One entry of `policies` as written. */
export type PolicyOptions = Type.Static<typeof Policy>;
/** A price as written, in USD. */
export type PriceOptions = Type.Static<typeof DatedPrice>;
/** Limits as written, of a provider or a key. */
export type LimitsOptions = Type.Static<typeof Limits>;
/** The `database` as written, when it is not false. */
export type DatabaseOptions = Type.Static<typeof Database>;
/** A budget as written, of a key or a route. */
export type BudgetOptions = Type.Static<typeof Budget>;
/** A duration as written. */
export type DurationOption = Type.Static<typeof Duration>;
