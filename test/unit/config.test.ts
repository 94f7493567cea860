import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Config, describeConfig, type GatewayOptions, parseConfig } from '../../src/config.js';

const KEY = 'gw-0123456789abcdef';

/** Plain copies, because records of the configuration have no prototype. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function provider(config: Config, name: string) {
  const found = config.providers[name];
  assert.ok(found, `no provider ${name}`);
  return found;
}

test('an empty configuration is complete: echo, no keys, loopback only', () => {
  for (const input of [undefined, null, {}]) {
    assert.deepEqual(plain(parseConfig(input, {})), {
      server: { host: '127.0.0.1', port: 8080 },
      database: {
        path: './data/gateway.db',
        durability: 'relaxed',
        capture: 'none',
        captureEvents: false,
        maxPayload: 1_048_576,
        redact: [],
        retention: { exchanges: null, payloads: null, maxSize: null },
      },
      keys: [],
      keySecret: null,
      webhook: null,
      anonymous: 'loopback',
      providers: {
        echo: {
          name: 'echo',
          type: 'echo',
          baseUrl: '',
          apiKey: null,
          timeouts: { connect: 5000, firstByte: 120_000, idle: 60_000, total: 600_000 },
          models: {
            echo: {
              id: 'echo',
              alias: null,
              context: null,
              maxOutput: null,
              tier: null,
              price: null,
              priceChanges: [],
            },
          },
          streamUsage: true,
          connections: null,
          discover: null,
          limits: null,
          breaker: { failures: 5, windowMs: 60_000, openMs: 30_000 },
          echo: { latency: 0, wordDelay: 0, fail: null, failAfter: null, retryAfter: null },
        },
      },
      routes: {},
      policies: {},
      defaultRoute: null,
      disconnect: 'abort',
      drainLimit: { time: 60_000, bytes: 4_000_000 },
      clientTimeout: 120_000,
      passthroughProvider: null,
      retries: 2,
      streamPing: null,
      uploadLimit: 600_000_000,
      bodyLimit: 33_554_432,
      drainTimeout: 30_000,
    });
  }
});

test('no secret is in the configuration for printing', () => {
  const secrets = { key: `${KEY}-a-canary`, keySecret: `${KEY}-b-canary`, secret: `${KEY}-c-canary` };
  const config = parseConfig(
    {
      keys: [{ name: 'web', key: secrets.key }],
      keySecret: secrets.keySecret,
      webhook: { url: 'https://hooks.example.org/d-canary?e-canary', secret: secrets.secret },
    },
    {},
  );
  const printed = JSON.stringify(describeConfig(config));
  assert.ok(!printed.includes('canary'), printed);
  assert.ok(printed.includes('https://hooks.example.org'));
  const fromEnvironment = parseConfig({}, { LLM_GATEWAY_KEY_SECRET: secrets.keySecret });
  assert.equal(fromEnvironment.keySecret, secrets.keySecret);
  assert.throws(() => parseConfig({}, { LLM_GATEWAY_KEY_SECRET: 'short' }), /LLM_GATEWAY_KEY_SECRET holds/);
});

test('every key that a user can set arrives in its normalised form', () => {
  const options: GatewayOptions = {
    server: { host: '::', port: 0 },
    database: {
      path: ':memory:',
      durability: 'strict',
      capture: 'errors',
      captureEvents: true,
      maxPayload: '64kB',
      redact: ['messages.*.content'],
      retention: { exchanges: '90d', payloads: 1000, maxSize: '10GB' },
    },
    keys: [
      {
        name: 'web',
        key: KEY,
        scopes: ['proxy', 'read', 'admin', 'proxy'],
        routes: ['fast'],
        models: ['lab/*', 'lab/*'],
        budget: { usd: 0.5, per: 'week', kind: 'soft' },
        policy: 'code',
        limits: { tokensPerHour: 5000, concurrency: 2 },
        capture: 'all',
        expires: '2027-01-31',
        tags: ['team-a'],
      },
      { name: 'ops', key: `${KEY}2` },
    ],
    anonymous: 'anywhere',
    providers: {
      lab: {
        type: 'openai-compatible',
        baseUrl: 'HTTP://LAB.local:8000/v1//',
        apiKey: 'sk-lab',
        timeouts: { connect: '250ms', firstByte: '1m', idle: 7, total: '1h' },
        models: {
          'org/big.model': {
            alias: 'big',
            context: 131_072,
            maxOutput: 8192,
            tier: 'frontier',
            price: { input: 0.05, output: 0.1, request: 2 },
          },
          free: { price: {} },
          zero: { price: { input: 0 } },
        },
        streamUsage: false,
        connections: 4,
        discover: '5m',
        limits: { requestsPerMinute: 30, tokensPerDay: 1_000_000 },
        breaker: { failures: 2, window: '10s', open: 500 },
      },
      fake: { type: 'echo', latency: '200ms', wordDelay: 20, fail: 429, retryAfter: '2s', failAfter: 3 },
    },
    routes: {
      fast: {
        strategy: 'weighted',
        targets: ['lab/org/big.model', 'fake/echo'],
        weights: { 'fake/echo': 2.5 },
        sticky: true,
        complexity: { frontier: 0.9 },
        queue: { maxWait: '5s' },
        hedge: { delay: '500ms' },
        retries: 0,
        budget: { usd: 20, per: 'total' },
      },
      other: { targets: ['fake/echo'], capture: 'none' },
    },
    policies: {
      code: {
        keywords: ['function'],
        allow: ['lab/*'],
        deny: ['*/free'],
        maxPrice: { output: 10 },
        strategy: 'cheapest',
        tier: 'local',
      },
      any: {},
    },
    defaultRoute: 'fast',
    disconnect: 'abort',
    bodyLimit: '1MB',
    drainTimeout: 0,
  };
  const config = parseConfig(options, {});
  const audio = { audioInput: null, audioOutput: null };
  const nothing = { cachedInput: null, cacheWrite: null, reasoning: null, ...audio, tiers: [] };
  assert.deepEqual(config.server, { host: '::', port: 0 });
  assert.deepEqual(config.database, {
    path: ':memory:',
    durability: 'strict',
    capture: 'errors',
    captureEvents: true,
    maxPayload: 64_000,
    redact: ['messages.*.content'],
    retention: { exchanges: 7_776_000_000, payloads: 1000, maxSize: 10_000_000_000 },
  });
  const limits = {
    requestsPerMinute: null,
    tokensPerMinute: null,
    requestsPerHour: null,
    tokensPerHour: 5000,
    requestsPerDay: null,
    tokensPerDay: null,
    concurrency: 2,
  };
  assert.deepEqual(config.keys, [
    {
      name: 'web',
      key: KEY,
      scopes: ['proxy', 'read', 'admin'],
      routes: ['fast'],
      models: ['lab/*'],
      limits,
      budget: { nano: 500_000_000, per: 'week', kind: 'soft' },
      policy: 'code',
      capture: 'all',
      expiresAt: Date.UTC(2027, 0, 31),
      tags: ['team-a'],
    },
    {
      name: 'ops',
      key: `${KEY}2`,
      scopes: ['proxy'],
      routes: null,
      models: null,
      limits: null,
      budget: null,
      policy: null,
      capture: null,
      expiresAt: null,
      tags: [],
    },
  ]);
  assert.equal(config.anonymous, 'anywhere');
  assert.deepEqual(plain(config.providers.lab), {
    name: 'lab',
    type: 'openai-compatible',
    baseUrl: 'http://lab.local:8000/v1',
    apiKey: 'sk-lab',
    timeouts: { connect: 250, firstByte: 60_000, idle: 7, total: 3_600_000 },
    models: {
      'org/big.model': {
        id: 'org/big.model',
        alias: 'big',
        context: 131_072,
        maxOutput: 8192,
        tier: 'frontier',
        price: { ...nothing, input: 50_000_000, output: 100_000_000, request: 2_000_000_000 },
        priceChanges: [],
      },
      free: {
        id: 'free',
        alias: null,
        context: null,
        maxOutput: null,
        tier: null,
        price: null,
        priceChanges: [],
      },
      zero: {
        id: 'zero',
        alias: null,
        context: null,
        maxOutput: null,
        tier: null,
        price: { ...nothing, input: 0, output: null, request: null },
        priceChanges: [],
      },
    },
    streamUsage: false,
    connections: 4,
    discover: 300_000,
    limits: {
      requestsPerHour: null,
      tokensPerHour: null,
      requestsPerMinute: 30,
      tokensPerMinute: null,
      requestsPerDay: null,
      tokensPerDay: 1_000_000,
      concurrency: null,
    },
    breaker: { failures: 2, windowMs: 10_000, openMs: 500 },
    echo: null,
  });
  assert.deepEqual(provider(config, 'fake').echo, {
    latency: 200,
    wordDelay: 20,
    fail: 429,
    failAfter: 3,
    retryAfter: 2000,
  });
  assert.deepEqual(plain(config.routes), {
    fast: {
      name: 'fast',
      strategy: 'weighted',
      targets: ['lab/org/big.model', 'fake/echo'],
      weights: { 'fake/echo': 2.5 },
      sticky: true,
      complexity: { standard: 0.3, frontier: 0.9 },
      queue: { maxWait: 5000, maxSize: 100 },
      hedge: { delay: 500, maxShare: 0.1 },
      retries: 0,
      capture: null,
      budget: { nano: 20_000_000_000, per: 'total', kind: 'hard' },
    },
    other: {
      name: 'other',
      strategy: 'priority',
      targets: ['fake/echo'],
      weights: {},
      sticky: false,
      complexity: { standard: 0.3, frontier: 0.7 },
      queue: null,
      hedge: null,
      retries: null,
      capture: 'none',
      budget: null,
    },
  });
  assert.deepEqual(plain(config.policies), {
    code: {
      name: 'code',
      keywords: ['function'],
      allow: ['lab/*'],
      deny: ['*/free'],
      maxPrice: { input: null, output: 10_000_000_000 },
      strategy: 'cheapest',
      tier: 'local',
    },
    any: {
      name: 'any',
      keywords: [],
      allow: null,
      deny: [],
      maxPrice: { input: null, output: null },
      strategy: null,
      tier: null,
    },
  });
  assert.equal(config.defaultRoute, 'fast');
  assert.equal(config.bodyLimit, 1_000_000);
  assert.equal(config.drainTimeout, 0);
});

test('database false turns the ledger off', () => {
  assert.equal(parseConfig({ database: false }, {}).database, false);
});

test('an echo provider that declares models has only those', () => {
  const config = parseConfig({ providers: { e: { type: 'echo', models: { small: {} } } } }, {});
  assert.deepEqual(Object.keys(provider(config, 'e').models), ['small']);
});

test('a breaker can be turned off, or changed in part', () => {
  const { providers } = parseConfig(
    {
      providers: {
        off: { type: 'ollama', breaker: false },
        part: { type: 'ollama', breaker: { failures: 1 }, limits: {} },
      },
    },
    {},
  );
  assert.equal(providers.off?.breaker, null);
  assert.deepEqual(providers.part?.breaker, { failures: 1, windowMs: 60_000, openMs: 30_000 });
  assert.equal(providers.part?.limits, null);
});

test('a provider that declares no models accepts any target', () => {
  const config = parseConfig(
    { providers: { o: { type: 'ollama' } }, routes: { r: { targets: ['o/any:7b'] } } },
    {},
  );
  assert.deepEqual(config.routes.r?.targets, ['o/any:7b']);
});

test('the configuration shares nothing with the options, which stay as they were', () => {
  const options = {
    keys: [{ name: 'a', key: KEY, scopes: ['read'], routes: ['r'] }],
    providers: { e: { type: 'echo', models: { m: {} } } },
    routes: { r: { targets: ['e/m'] } },
  };
  const before = structuredClone(options);
  const config = parseConfig(options, {});
  assert.deepEqual(options, before);
  options.routes.r.targets.push('e/x');
  options.keys[0]?.scopes.push('proxy');
  options.keys[0]?.routes.push('x');
  assert.deepEqual(config.routes.r?.targets, ['e/m']);
  assert.deepEqual(config.keys[0]?.scopes, ['read']);
  assert.deepEqual(config.keys[0]?.routes, ['r']);
});

test('names from clients cannot reach a prototype', () => {
  const { providers, routes } = parseConfig({}, {});
  for (const name of ['toString', 'constructor', '__proto__']) {
    assert.equal(providers[name], undefined);
    assert.equal(routes[name], undefined);
    assert.equal(providers.echo?.models[name], undefined);
  }
});

test('an option that a host leaves undefined is an option it does not set', () => {
  const config = parseConfig(
    { server: undefined, providers: { lab: { type: 'ollama', apiKey: undefined } } },
    {},
  );
  assert.equal(config.server.port, 8080);
  assert.equal(config.providers.lab?.apiKey, null);
});

test('describing a configuration hides every secret and keeps the rest', () => {
  const config = parseConfig(
    {
      keys: [{ name: 'a', key: KEY }],
      providers: { groq: { type: 'groq', apiKey: 'sk-secret' }, lab: { type: 'ollama' } },
    },
    {},
  );
  const described = describeConfig(config);
  const text = JSON.stringify(described);
  assert.ok(!text.includes(KEY) && !text.includes('sk-secret'));
  const restored = text
    .replace('"key":"***"', `"key":"${KEY}"`)
    .replace('"apiKey":"***"', '"apiKey":"sk-secret"');
  assert.deepEqual(JSON.parse(restored), plain(config));
});
