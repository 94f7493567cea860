import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, parseConfig } from '../../src/config.js';

const KEY = 'gw-0123456789abcdef';
const DURATION = 'must be a duration such as 250ms, 30s, 5m, 24h or 7d, or integer milliseconds';
const TIMER = 'must be at most 2147483647ms (about 24 days), the longest a timer can wait';
const NAME = 'must be a name of 1 to 128 characters without whitespace';
const PROVIDER =
  'is not a provider name of at most 64 letters, digits, - and _, starting with a letter or digit';
const USD = 'must be a number of USD between 0 and 1000000';
const CREDENTIAL = 'must be a non-empty string of printable ASCII characters without spaces';

type Row = [input: unknown, ...lines: string[]];

const lab = (options: object) => ({ providers: { lab: { type: 'ollama', ...options } } });
const labModels = (models: unknown) => lab({ models });
const echo = (options: object) => ({ providers: { e: { type: 'echo', ...options } } });
const route = (options: object) => ({ ...echo({}), routes: { r: { targets: ['e/echo'], ...options } } });
const key = (options: object) => ({ keys: [{ name: 'a', key: KEY, ...options }] });
const database = (options: object) => ({ ...echo({}), database: options });
const baseUrl = (url: unknown) => ({ providers: { groq: { type: 'groq', apiKey: 'k', baseUrl: url } } });

function check(title: string, rows: Row[]): void {
  test(title, () => {
    for (const [input, ...lines] of rows) {
      assert.throws(
        () => parseConfig(input, {}),
        (error: Error & { code?: string; statusCode?: number }) => {
          assert.deepEqual(error.message.split('\n'), lines);
          assert.ok(error instanceof ConfigError);
          assert.equal(error.code, 'LLM_GATEWAY_INVALID_CONFIG');
          assert.equal(error.statusCode, 500);
          return true;
        },
        JSON.stringify(input),
      );
    }
  });
}

check('the whole is an object', [
  ['text', 'the configuration must be an object, got a string'],
  [[], 'the configuration must be an object, got an array'],
  [7, 'the configuration must be an object, got a number'],
]);

check('an unknown key is an error at any depth, with a suggestion if one is close', [
  [{ server: { prot: 1 } }, 'server.prot is not a known key (did you mean "port"?)'],
  [{ server: { x: 1 } }, 'server.x is not a known key (known here: host, port)'],
  [{ default_route: 'x' }, 'default_route is not a known key (did you mean "defaultRoute"?)'],
  [{ database: { pth: 'x' } }, 'database.pth is not a known key (did you mean "path"?)'],
  [lab({ baseURL: 'x' }), 'providers.lab.baseURL is not a known key (did you mean "baseUrl"?)'],
  [lab({ timeouts: { idel: 1 } }), 'providers.lab.timeouts.idel is not a known key (did you mean "idle"?)'],
  [
    labModels({ 'a.b': { price: { inptu: 1 } } }),
    'providers.lab.models["a.b"].price.inptu is not a known key (did you mean "input"?)',
  ],
  [key({ scope: ['read'] }), 'keys[0].scope is not a known key (did you mean "scopes"?)'],
  [route({ target: 'x' }), 'routes.r.target is not a known key (did you mean "targets"?)'],
]);

check('wrong types say what is wanted and what came', [
  [{ server: 1 }, 'server must be an object, got a number'],
  [{ server: { host: '' } }, 'server.host must be a non-empty string, got ""'],
  [{ server: { host: 5 } }, 'server.host must be a non-empty string, got 5'],
  [{ server: { port: 65_536 } }, 'server.port must be a port number between 0 and 65535, got 65536'],
  [{ server: { port: 1.5 } }, 'server.port must be a port number between 0 and 65535, got 1.5'],
  [{ database: true }, 'database must be an object, or false for no ledger, got true'],
  [{ database: { path: 3 } }, 'database.path must be a non-empty string, got 3'],
  [{ keys: {} }, 'keys must be an array, got an object'],
  [{ keys: ['sk-secret'] }, 'keys[0] must be an object, got a string'],
  [{ keys: [{}] }, 'keys[0].name is missing', 'keys[0].key is missing'],
  [{ anonymous: 'never' }, 'anonymous must be one of loopback, anywhere, got "never"'],
  [{ providers: null }, 'providers must be an object, got null'],
  [{ providers: {} }, 'providers must not be empty (leave it out to use the API keys of the environment)'],
  [{ providers: { a: {} } }, 'providers.a.type is missing'],
  [
    { providers: { a: { type: 'gorq' } } },
    'providers.a.type must be one of openai, openrouter, groq, cerebras, google, lm-studio, ollama, openai-compatible, echo, got "gorq"',
  ],
  [lab({ streamUsage: 'yes' }), 'providers.lab.streamUsage must be true or false, got "yes"'],
  [lab({ connections: 0 }), 'providers.lab.connections must be an integer between 1 and 10000, got 0'],
  [lab({ models: ['m'] }), 'providers.lab.models must be an object, got an array'],
  [labModels({ m: null }), 'providers.lab.models.m must be an object, got null'],
  [labModels({ m: { context: 0 } }), 'providers.lab.models.m.context must be a positive integer, got 0'],
  [labModels({ m: { price: { input: -1 } } }), `providers.lab.models.m.price.input ${USD}, got -1`],
  [
    labModels({ m: { price: { output: Infinity } } }),
    `providers.lab.models.m.price.output ${USD}, got Infinity`,
  ],
  [labModels({ m: { price: { request: '1' } } }), `providers.lab.models.m.price.request ${USD}, got "1"`],
  [{ routes: [] }, 'routes must be an object, got an array'],
  [{ disconnect: 'wait' }, 'disconnect must be one of abort, drain, got "wait"'],
  [{ server: { host: { a: 1 } } }, 'server.host must be a non-empty string, got an object'],
  [{ anonymous: 'x'.repeat(200) }, `anonymous must be one of loopback, anywhere, got "${'x'.repeat(60)}..."`],
]);

check('durations and sizes are well-formed and in range', [
  [{ drainTimeout: '5 s' }, `drainTimeout ${DURATION}, got "5 s"`],
  [{ drainTimeout: -5 }, `drainTimeout ${DURATION}, got -5`],
  [{ drainTimeout: 1.5 }, `drainTimeout ${DURATION}, got 1.5`],
  [{ drainTimeout: Number.NaN }, `drainTimeout ${DURATION}, got NaN`],
  [{ drainTimeout: '30d' }, `drainTimeout ${TIMER}`],
  [{ drainTimeout: 2 ** 31 }, `drainTimeout ${TIMER}`],
  [lab({ timeouts: { total: '25d' } }), `providers.lab.timeouts.total ${TIMER}`],
  [lab({ timeouts: { idle: '0s' } }), 'providers.lab.timeouts.idle must be longer than 0'],
  [lab({ breaker: { window: 0 } }), 'providers.lab.breaker.window must be longer than 0'],
  [lab({ breaker: { open: '0ms' } }), 'providers.lab.breaker.open must be longer than 0'],
  [
    lab({ breaker: true, limits: { requestsPerMinute: 0 } }),
    'providers.lab.limits.requestsPerMinute must be a positive integer, got 0',
    'providers.lab.breaker must be an object, or false for no breaker, got true',
  ],
  [echo({ latency: '30d' }), `providers.e.latency ${TIMER}`],
  [echo({ wordDelay: 'x' }), `providers.e.wordDelay ${DURATION}, got "x"`],
  [
    { bodyLimit: '32M' },
    'bodyLimit must be a size such as 512kB, 32MB or 32MiB, or integer bytes, got "32M"',
  ],
  [{ bodyLimit: 0 }, 'bodyLimit must be a size such as 512kB, 32MB or 32MiB, or integer bytes, got 0'],
  [{ bodyLimit: '0B' }, 'bodyLimit must be between 1 and 2147483647 bytes'],
  [{ bodyLimit: '2GiB' }, 'bodyLimit must be between 1 and 2147483647 bytes'],
]);

check('a base URL is one, of http, without credentials', [
  [baseUrl('groq.com'), 'providers.groq.baseUrl must be a URL, got "groq.com"'],
  [baseUrl('ftp://groq.com'), 'providers.groq.baseUrl must be a URL with http or https, got ftp:'],
  [baseUrl('http://'), 'providers.groq.baseUrl must be a URL, got "http://"'],
  [baseUrl('http://['), 'providers.groq.baseUrl must be a URL, got something that cannot be parsed'],
  [baseUrl('http://u:sk-secret@host'), 'providers.groq.baseUrl must not contain credentials: use apiKey'],
  [baseUrl('u:sk-secret@host'), 'providers.groq.baseUrl must be a URL, got something else'],
  [baseUrl('http://host/?key=1'), 'providers.groq.baseUrl must not have a query or a fragment'],
  [
    { providers: { a: { type: 'openai-compatible' } } },
    'providers.a.baseUrl is missing: type openai-compatible needs it',
  ],
  [echo({ baseUrl: 'http://x' }), 'providers.e.baseUrl is not for type echo, which uses no network'],
  [echo({ apiKey: 'k' }), 'providers.e.apiKey is not for type echo, which uses no network'],
]);

check('secrets are checked and never printed', [
  [
    key({ key: 'short-secret' }),
    'keys[0].key must be at least 16 printable ASCII characters without spaces, got a string',
  ],
  [
    key({ key: 12_345 }),
    'keys[0].key must be at least 16 printable ASCII characters without spaces, got a number',
  ],
  [lab({ apiKey: '' }), `providers.lab.apiKey ${CREDENTIAL}, got a string`],
  [lab({ apiKey: 'sk secret' }), `providers.lab.apiKey ${CREDENTIAL}, got a string`],
  [{ providers: { groq: { type: 'groq', apiKey: 5 } } }, `providers.groq.apiKey ${CREDENTIAL}, got a number`],
  [lab({ apiKey: ['sk-secret'] }), `providers.lab.apiKey ${CREDENTIAL}, got an array`],
  [
    {
      keys: [
        { name: 'a', key: KEY },
        { name: 'b', key: KEY },
      ],
    },
    'keys[1].key is the same as that of keys[0]',
  ],
]);

check('names are well-formed and not reserved', [
  [{ providers: { '-x': { type: 'echo' } } }, `providers.-x ${PROVIDER}`],
  [{ providers: { 'a/b': { type: 'echo' } } }, `providers["a/b"] ${PROVIDER}`],
  [{ providers: { ['x'.repeat(65)]: { type: 'echo' } } }, `providers.${'x'.repeat(65)} ${PROVIDER}`],
  [{ providers: { constructor: { type: 'echo' } } }, 'providers.constructor is a reserved name'],
  [JSON.parse('{"routes":{"__proto__":{"targets":["e/x"]}}}'), 'routes.__proto__ is a reserved name'],
  [labModels({ prototype: {} }), 'providers.lab.models.prototype is a reserved name'],
  [
    { ...echo({}), routes: { 'a b': { targets: ['e/echo'] } } },
    'routes["a b"] is not a name of 1 to 128 characters without whitespace',
  ],
  [
    { ...echo({}), routes: { '': { targets: ['e/echo'] } } },
    'routes[""] is not a name of 1 to 128 characters without whitespace',
  ],
  [labModels({ m: { alias: 'a\u0007' } }), `providers.lab.models.m.alias ${NAME}, got "a\\u0007"`],
]);

check('names refer to something', [
  [
    {
      providers: { groq: { type: 'groq', apiKey: 'k' }, lab: { type: 'ollama' } },
      routes: { default: { targets: ['lab/x', 'grok/y'] } },
    },
    'routes.default.targets[1] names the provider "grok", which is not configured (configured: groq, lab)',
  ],
  [
    route({ targets: ['e/other'] }),
    'routes.r.targets[0] names the model "other", which e does not declare (declared: echo)',
  ],
  [route({ targets: [] }), 'routes.r.targets must not be empty'],
  [route({ targets: ['echo'] }), 'routes.r.targets[0] must be a target written provider/model, got "echo"'],
  [route({ targets: ['/echo'] }), 'routes.r.targets[0] must be a target written provider/model, got "/echo"'],
  [route({ targets: ['e/'] }), 'routes.r.targets[0] must be a target written provider/model, got "e/"'],
  [{ ...echo({}), routes: { r: {} } }, 'routes.r.targets is missing'],
  [{ defaultRoute: 'x' }, 'defaultRoute names the route "x", which is not configured (none is configured)'],
  [
    { ...route({}), ...key({ routes: ['r', 'q'] }) },
    'keys[0].routes[1] names the route "q", which is not configured (configured: r)',
  ],
  [key({ routes: [] }), 'keys[0].routes must not be empty'],
  [key({ scopes: [] }), 'keys[0].scopes must not be empty'],
]);

check('routes and policies hold what they can mean', [
  [
    route({ strategy: 'random' }),
    'routes.r.strategy must be one of priority, cheapest, fastest, round-robin, weighted, complexity, got "random"',
  ],
  [route({ targets: ['e/echo', 'e/echo'] }), 'routes.r.targets[1] is "e/echo", which is there already'],
  [
    route({ weights: { 'e/echo': 0 } }),
    'routes.r.weights["e/echo"] must be a number above 0 and up to 1000000, got 0',
  ],
  [route({ weights: { 'e/x': 1 } }), 'routes.r.weights["e/x"] is not one of the targets of the route'],
  [route({ weights: { echo: 1 } }), 'routes.r.weights.echo is not a target written provider/model'],
  [route({ sticky: 'yes' }), 'routes.r.sticky must be true or false, got "yes"'],
  [
    route({ complexity: { standard: 2 } }),
    'routes.r.complexity.standard must be a number between 0 and 1, got 2',
  ],
  [route({ complexity: { standard: 0.8 } }), 'routes.r.complexity has standard (0.8) above frontier (0.7)'],
  [route({ queue: { maxWait: '30d' } }), `routes.r.queue.maxWait ${TIMER}`],
  [route({ queue: { maxSize: 0 } }), 'routes.r.queue.maxSize must be a positive integer, got 0'],
  [
    route({ hedge: { delay: 'p99' } }),
    'routes.r.hedge.delay must be p95, or a duration such as 500ms, got "p99"',
  ],
  [route({ retries: 11 }), 'routes.r.retries must be an integer between 0 and 10, got 11'],
  [
    labModels({ m: { tier: 'huge' } }),
    'providers.lab.models.m.tier must be one of local, standard, frontier, got "huge"',
  ],
  [
    lab({ discover: 'often' }),
    'providers.lab.discover must be true, false, or a duration such as 10m, got "often"',
  ],
  [lab({ discover: 10 }), 'providers.lab.discover must be at least 1s'],
  [echo({ discover: true }), 'providers.e.discover is not for type echo, which uses no network'],
  [{ policies: { p: { keywords: [' '] } } }, 'policies.p.keywords[0] must be a word or words, got " "'],
  [{ policies: { p: { allow: [] } } }, 'policies.p.allow must not be empty'],
  [
    { policies: { p: { deny: ['echo'] } } },
    'policies.p.deny[0] is "echo", which is neither a target nor a pattern such as groq/*',
  ],
  [
    { policies: { p: { allow: ['grok/*'] } } },
    'policies.p.allow[0] names the provider "grok", which is not configured (configured: echo)',
  ],
  [key({ policy: 'p' }), 'keys[0].policy names the policy "p", which is not configured (none is configured)'],
]);

check('names refer to one thing only', [
  [
    {
      keys: [
        { name: 'a', key: KEY },
        { name: 'a', key: `${KEY}2` },
      ],
    },
    'keys[1].name is "a", like that of keys[0]',
  ],
  [
    labModels({ m: { alias: 'x' }, n: { alias: 'x' } }),
    'providers.lab.models.n.alias is "x", which is already the name of lab/m',
  ],
  [
    { ...labModels({ m: { alias: 'r' } }), routes: { r: { targets: ['lab/m'] } } },
    'providers.lab.models.m.alias is "r", which is already the name of the route "r"',
  ],
  [
    labModels({ m: { alias: 'lab/n' }, n: {} }),
    'providers.lab.models.m.alias is "lab/n", which would hide the target of that name',
  ],
  [
    { ...lab({}), routes: { 'lab/any': { targets: ['lab/m'] } } },
    'routes["lab/any"] would hide the target of the same name',
  ],
]);

check('echo keys are for echo only', [
  [lab({ latency: '1s' }), 'providers.lab.latency is only for type echo, not for ollama'],
  [
    lab({ fail: 500, failAfter: 1, retryAfter: 1, wordDelay: 1 }),
    'providers.lab.wordDelay is only for type echo, not for ollama',
    'providers.lab.fail is only for type echo, not for ollama',
    'providers.lab.failAfter is only for type echo, not for ollama',
    'providers.lab.retryAfter is only for type echo, not for ollama',
  ],
  [
    echo({ fail: 399 }),
    'providers.e.fail must be an HTTP status between 400 and 599, "refuse" or "reset", got 399',
  ],
  [
    echo({ fail: 600 }),
    'providers.e.fail must be an HTTP status between 400 and 599, "refuse" or "reset", got 600',
  ],
  [echo({ failAfter: -1 }), 'providers.e.failAfter must be a number of words, got -1'],
]);

check('captures and retention are of sensible sizes', [
  [database({ capture: 'some' }), 'database.capture must be one of none, errors, all, got "some"'],
  [key({ capture: 'some' }), 'keys[0].capture must be one of none, errors, all, got "some"'],
  [route({ capture: 'some' }), 'routes.r.capture must be one of none, errors, all, got "some"'],
  [database({ maxPayload: 1 }), 'database.maxPayload must be between 1024 and 67108864 bytes'],
  [database({ maxPayload: '1GB' }), 'database.maxPayload must be between 1024 and 67108864 bytes'],
  [
    database({ redact: ['a..b'] }),
    'database.redact[0] must be a path such as messages.*.content, got "a..b"',
  ],
  [database({ retention: { payloads: 0 } }), 'database.retention.payloads must be longer than 0'],
  [database({ retention: { exchanges: '0d' } }), 'database.retention.exchanges must be longer than 0'],
  [
    database({ retention: { maxSize: '1kB' } }),
    'database.retention.maxSize must be between 1048576 and 9007199254740991 bytes',
  ],
]);

const noDatabase = 'needs a database, in which is what was spent, but it is off';
check('what keys and budgets need is checked', [
  [{ database: false, ...key({ budget: { usd: 1, per: 'month' } }) }, `keys[0].budget ${noDatabase}`],
  [{ database: false, ...route({ budget: { usd: 1, per: 'total' } }) }, `routes.r.budget ${noDatabase}`],
  [
    key({ budget: { usd: 1, per: 'year' } }),
    'keys[0].budget.per must be one of day, week, month, total, got "year"',
  ],
  [key({ expires: '2027-02-30' }), 'keys[0].expires is "2027-02-30", which is no day of the calendar'],
  [
    key({ expires: 'soon' }),
    'keys[0].expires must be a date such as 2026-01-31 or 2026-01-31T12:00:00Z, got "soon"',
  ],
  [
    { keySecret: 'short' },
    'keySecret must be at least 16 printable ASCII characters without spaces, got a string',
  ],
  [
    { webhook: { url: 'ftp://example.org/secret', secret: KEY } },
    'webhook.url must be a URL with http or https, got a string',
  ],
  [
    { webhook: { url: 'http://', secret: 'x' } },
    'webhook.url must be a URL with http or https, got a string',
    'webhook.secret must be at least 16 printable ASCII characters without spaces, got a string',
  ],
  [
    { webhook: { url: 'http://[', secret: KEY } },
    'webhook.url must be a URL, got something that cannot be parsed',
  ],
]);

check('what happens to clients, streams and uploads has sensible bounds', [
  [{ clientTimeout: 0 }, 'clientTimeout must be longer than 0'],
  [{ clientTimeout: '99d' }, `clientTimeout ${TIMER}`],
  [{ streamPing: '0s' }, 'streamPing must be longer than 0'],
  [{ streamPing: 'often' }, `streamPing ${DURATION}, got "often"`],
  [{ drainLimit: { time: 0 } }, 'drainLimit.time must be longer than 0'],
  [
    { drainLimit: { bytes: 0 } },
    'drainLimit.bytes must be a size such as 512kB, 32MB or 32MiB, or integer bytes, got 0',
  ],
  [
    { passthroughProvider: 'openai' },
    'passthroughProvider names the provider "openai", which is not configured (configured: echo)',
  ],
]);

check('every problem is reported at once, and none follows from another', [
  [
    {
      server: { prot: 1, port: 'x' },
      providers: {
        groq: { type: 'gorq', models: { m: {} } },
        lab: { type: 'ollama', apiKey: 5, models: { big: 3, small: {} }, timeouts: { idle: '99d' } },
      },
      routes: { r: { targets: ['groq/m', 'lab/big', 'none/x'] }, bad: { targets: 'x' } },
      defaultRoute: 'bad',
    },
    'server.prot is not a known key (did you mean "port"?)',
    'server.port must be a port number between 0 and 65535, got "x"',
    'providers.groq.type must be one of openai, openrouter, groq, cerebras, google, lm-studio, ollama, openai-compatible, echo, got "gorq"',
    `providers.lab.apiKey ${CREDENTIAL}, got a number`,
    'providers.lab.models.big must be an object, got a number',
    'routes.bad.targets must be an array, got a string',
    `providers.lab.timeouts.idle ${TIMER}`,
    'routes.r.targets[2] names the provider "none", which is not configured (configured: groq, lab)',
  ],
]);
