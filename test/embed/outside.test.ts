import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import gateway from '../../src/index.js';
import { chat, post } from '../helpers/gateway.js';
import { json } from '../helpers/upstream.js';
import { createHost, errorOf, gatewayParts, listen } from './host.js';

const decorators = [
  'gatewayLedger',
  'gatewayExchanges',
  'gatewayRouter',
  'gatewayUpstream',
  'gatewayStats',
  'gatewayKeys',
  'gatewayBudgets',
  'httpErrors',
];

/** Both orders in which an app may be put together. */
const orders = ['before', 'after'] as const;

/** A listening app with a gateway below `/ai`, and `host` done before or after it was registered. */
async function setUp(
  context: TestContext,
  order: (typeof orders)[number],
  host: (app: FastifyInstance) => unknown,
  prefix = '/ai',
) {
  const { options, ...parts } = await gatewayParts(context, json());
  const app = createHost(context);
  if (order === 'before') await host(app);
  app.register(gateway, { ...options, prefix });
  if (order === 'after') await host(app);
  return { ...parts, app, base: await listen(app) };
}

for (const order of orders) {
  test(`the host's error handler, set ${order} the gateway, answers the host's errors only`, async (t) => {
    const { base } = await setUp(t, order, (app) => {
      app.setErrorHandler((error: Error, _request, reply) => reply.code(418).send({ host: error.message }));
      app.get('/broken', async () => {
        throw new Error('own');
      });
    });
    const own = await fetch(`${base}/broken`);
    assert.deepEqual([own.status, await own.json()], [418, { host: 'own' }]);
    const invalid = await post(`${base}/ai/v1/chat/completions`, { model: 'main/test-model' });
    assert.deepEqual([invalid.status, (await errorOf(invalid)).param], [400, 'messages']);
  });

  test(`the host's not-found handler, set ${order} the gateway, answers outside the prefix only`, async (t) => {
    const { base } = await setUp(t, order, (app) => {
      app.setNotFoundHandler((_request, reply) => reply.code(410).send({ host: 'gone' }));
    });
    for (const path of ['/nowhere', '/', '/aix', '/v1/models']) {
      const response = await fetch(base + path);
      assert.deepEqual([response.status, await response.json()], [410, { host: 'gone' }], path);
    }
    assert.equal((await errorOf(await fetch(`${base}/ai/nowhere`))).code, 'not_found');
  });

  for (const prefix of ['', '/']) {
    test(`a host's not-found handler, set ${order} a gateway at "${prefix}", answers what neither knows`, async (t) => {
      const host = (app: FastifyInstance) =>
        app.setNotFoundHandler((_request, reply) => reply.code(410).send({ host: 'gone' }));
      const { base, rows } = await setUp(t, order, host, prefix);
      assert.deepEqual(await (await fetch(`${base}/nowhere`)).json(), { host: 'gone' });
      assert.equal((await post(`${base}/v1/chat/completions`, chat)).status, 200);
      assert.equal((await rows(1))[0]?.endpoint, '/v1/chat/completions');
    });
  }

  test(`the host's own routes, set ${order} the gateway, keep Ajv's coercion and defaults`, async (t) => {
    const { base } = await setUp(t, order, (app) => {
      const body = {
        type: 'object',
        properties: { count: { type: 'integer' }, unit: { type: 'string', default: 'kg' } },
        additionalProperties: false,
      };
      app.post('/own', { schema: { body } }, async (request) => request.body);
    });
    const coerced = await post(`${base}/own`, { count: '3', extra: true });
    assert.deepEqual(await coerced.json(), { count: 3, unit: 'kg' });
    const invalid = await post(`${base}/own`, { count: 'three' });
    assert.deepEqual(await invalid.json(), {
      statusCode: 400,
      code: 'FST_ERR_VALIDATION',
      error: 'Bad Request',
      message: 'body/count must be integer',
    });
  });

  test(`the host's parsers and body limit, set ${order} the gateway, stay the host's`, async (t) => {
    const { base } = await setUp(t, order, (app) => {
      app.addContentTypeParser('application/yaml', { parseAs: 'string' }, (_request, text, done) =>
        done(null, { yaml: text }),
      );
      app.post('/own', async (request) => request.body);
    });
    const url = `${base}/own`;
    assert.deepEqual(await (await post(url, { a: 1 })).json(), { a: 1 });
    const yaml = await post(url, 'a: 1', { 'content-type': 'application/yaml' });
    assert.deepEqual(await yaml.json(), { yaml: 'a: 1' });
    const text = await post(url, 'plain', { 'content-type': 'text/plain' });
    assert.equal(await text.text(), 'plain');
    const malformed = await post(url, '{');
    assert.deepEqual(
      [malformed.status, ((await malformed.json()) as { error: string }).error],
      [400, 'Bad Request'],
    );
    // 1 MiB is Fastify's default.
    assert.equal((await post(url, { text: 'x'.repeat(2 ** 20) })).status, 413);
  });
}

test("no hook of the gateway runs for the host's routes", async (t) => {
  const { app, base, rows } = await setUp(t, 'before', (host) => {
    host.get('/own', async (request, reply) => ({
      exchange: 'exchange' in request,
      body: 'gatewayBody' in request,
      headers: Object.keys(reply.getHeaders()),
    }));
  });
  const own = await fetch(`${base}/own`, { headers: { 'x-request-id': 'mine', 'x-api-key': 'wrong' } });
  assert.deepEqual(await own.json(), { exchange: false, body: false, headers: [] });
  assert.equal(own.headers.get('x-request-id'), null);
  await post(`${base}/ai/v1/chat/completions`, chat);
  assert.equal((await rows(1)).length, 1);
  assert.equal(app.hasRoute({ method: 'GET', url: '/ai/health' }), true);
  assert.equal(app.hasRoute({ method: 'GET', url: '/health' }), false);
});

test('the host gets no decorator of the gateway, nor of the plugins it uses', async (t) => {
  const { options } = await gatewayParts(t, json());
  const app = createHost(t);
  const names = () => ({
    app: Object.getOwnPropertyNames(app).sort(),
    schemas: Object.keys(app.getSchemas()),
    parsers: ['application/json', 'text/plain', '*'].map((type) => app.hasContentTypeParser(type)),
  });
  const before = names();
  app.register(gateway, options);
  await app.ready();
  assert.deepEqual(names(), before);
  for (const name of decorators) assert.equal(app.hasDecorator(name), false, name);
  assert.equal(app.hasRequestDecorator('exchange'), false);
  assert.equal(app.hasRequestDecorator('gatewayBody'), false);
  assert.equal(app.hasReplyDecorator('notFound'), false);
});
