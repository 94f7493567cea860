import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Fastify, { type InjectOptions } from 'fastify';
import auth, { type AuthOptions } from '../../plugins/auth.js';
import { parseConfig } from '../../src/config.js';
import { type Exchange, openExchange } from '../../src/exchange.js';
import type { GatewayRouteConfig } from '../../src/types.js';

const { keys } = parseConfig(
  {
    keys: [
      { name: 'web', key: 'web-key-0123456789', scopes: ['proxy'], routes: ['fast'] },
      { name: 'ops', key: 'ops-key-0123456789', scopes: ['read'] },
    ],
    providers: { echo: { type: 'echo' } },
    routes: { fast: { targets: ['echo/echo'] } },
  },
  {},
);

/** Routes for every scope, each request with an exchange as the exchange plugin would have opened it. */
async function setUp(t: TestContext, options: Partial<AuthOptions> = {}) {
  const app = Fastify();
  t.after(() => app.close());
  const opened: Exchange[] = [];
  app.decorateRequest('exchange', null);
  app.addHook('onRequest', async (request) => {
    request.exchange = openExchange({ method: 'GET', endpoint: '/', agoMs: 5 });
    opened.push(request.exchange);
  });
  await app.register(auth, { keys, anonymous: 'loopback', ...options });
  for (const scope of [
    'proxy',
    'read',
    'admin',
    'own',
    'any',
    'none',
  ] satisfies GatewayRouteConfig['scope'][]) {
    app.get(`/${scope}`, { config: { gateway: { scope, record: true } } }, async () => scope);
  }
  app.get('/bare', async () => 'bare');
  await app.ready();
  return {
    app,
    opened,
    get: (url: string, headers: InjectOptions['headers'] = {}, remoteAddress = '127.0.0.1') =>
      app.inject({ url, headers, remoteAddress }),
  };
}

const web = { authorization: 'Bearer web-key-0123456789' };
const ops = { 'x-api-key': 'ops-key-0123456789' };

test('a key is taken from either header, and the exchange learns whose it is', async (t) => {
  const { get, opened } = await setUp(t);
  assert.equal((await get('/proxy', web)).statusCode, 200);
  assert.equal((await get('/read', ops)).statusCode, 200);
  assert.deepEqual(
    opened.map(({ key, caller }) => [key, caller?.allowed?.has('fast')]),
    [
      ['web', true],
      ['ops', undefined],
    ],
  );
  assert.ok((opened[0]?.admittedUs ?? 0) >= 5_000);
});

test('the scheme is not case-sensitive, and x-api-key wins over what the host may use', async (t) => {
  const { get, opened } = await setUp(t);
  assert.equal((await get('/proxy', { authorization: 'bearer  web-key-0123456789 ' })).statusCode, 200);
  const both = { authorization: 'Bearer host-token', ...ops };
  assert.equal((await get('/read', both)).statusCode, 200);
  assert.equal(opened[1]?.key, 'ops');
});

test('a wrong or missing key is a 401 that repeats nothing', async (t) => {
  const { get, opened } = await setUp(t);
  const wrong = [
    {},
    { authorization: 'Bearer wrong-key' },
    { authorization: 'Basic web-key-0123456789' },
    { authorization: 'web-key-0123456789' },
    { authorization: 'Bearer ' },
    { 'x-api-key': '' },
    { 'x-api-key': 'wrong-key' },
    { ...web, 'x-api-key': 'wrong-key' },
  ];
  for (const headers of wrong) {
    const response = await get('/proxy', headers);
    assert.equal(response.statusCode, 401, JSON.stringify(headers));
    assert.equal(response.json().code, 'invalid_api_key');
    assert.ok(!response.body.includes('-key-') && !response.body.includes('wrong-key'));
  }
  assert.ok(opened.every(({ key, caller }) => key === null && caller === null));
});

test('a key without the scope of the route is a 403, and is recorded as its own', async (t) => {
  const { get, opened } = await setUp(t);
  for (const [url, headers] of [
    ['/read', web],
    ['/proxy', ops],
  ] as const) {
    const response = await get(url, headers);
    assert.equal(response.statusCode, 403);
    assert.equal(response.json().code, 'insufficient_permissions');
  }
  assert.deepEqual(
    opened.map(({ key }) => key),
    ['web', 'ops'],
  );
});

test('scope any takes every key, scope none takes everybody', async (t) => {
  const { get } = await setUp(t);
  assert.equal((await get('/any', web)).statusCode, 200);
  assert.equal((await get('/any', ops)).statusCode, 200);
  assert.equal((await get('/any')).statusCode, 401);
  assert.equal((await get('/none')).statusCode, 200);
});

test('a route that says nothing of itself needs a key, and so does an unknown URL', async (t) => {
  const { get } = await setUp(t);
  assert.equal((await get('/bare')).statusCode, 401);
  assert.equal((await get('/bare', ops)).statusCode, 200);
  assert.equal((await get('/unknown')).statusCode, 401);
  assert.equal((await get('/unknown', web)).statusCode, 404);
});

test('without keys this machine is served, and nobody else', async (t) => {
  const { get, opened } = await setUp(t, { keys: [] });
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    assert.equal((await get('/proxy', {}, address)).statusCode, 200, address);
  }
  assert.deepEqual([opened[0]?.key, opened[0]?.caller?.name, opened[0]?.caller?.allowed], [null, null, null]);
  for (const address of ['10.0.0.7', '::ffff:10.0.0.7', '2001:db8::1']) {
    assert.equal((await get('/proxy', {}, address)).statusCode, 401, address);
  }
  assert.equal((await get('/proxy', { 'x-forwarded-for': '10.0.0.7' })).statusCode, 401);
  assert.equal((await get('/proxy', web, '10.0.0.7')).statusCode, 401);
});

test('without keys and with anonymous: anywhere everybody is served', async (t) => {
  const { get } = await setUp(t, { keys: [], anonymous: 'anywhere' });
  assert.equal((await get('/proxy', {}, '10.0.0.7')).statusCode, 200);
  assert.equal((await get('/read', { 'x-forwarded-for': '10.0.0.7' })).statusCode, 200);
});

test('with keys this machine needs one as well', async (t) => {
  const { get } = await setUp(t, { anonymous: 'anywhere' });
  assert.equal((await get('/proxy', {}, '127.0.0.1')).statusCode, 401);
});

test('a request without an exchange is let in all the same', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  app.decorateRequest('exchange', null);
  await app.register(auth, { keys, anonymous: 'loopback' });
  app.get('/', async () => 'ok');
  assert.equal((await app.inject({ url: '/', headers: web })).statusCode, 200);
});

test('without exchanges the start fails, and says what is missing', async () => {
  const app = Fastify();
  app.register(auth, { keys, anonymous: 'loopback' });
  await assert.rejects(async () => app.ready(), {
    code: 'FST_ERR_PLUGIN_NOT_PRESENT_IN_INSTANCE',
    message: /'exchange' required by 'gateway-auth'/,
  });
});
