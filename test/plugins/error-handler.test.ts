import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import createError from '@fastify/error';
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import Fastify from 'fastify';
import Type from 'typebox';
import { notFoundHandler, useErrorHandler } from '../../plugins/error-handler.js';
import { GatewayError } from '../../src/errors.js';
import { beginAttempt, type Exchange, openExchange, skipAttempt } from '../../src/exchange.js';

/** A route that fails as it is told, with an exchange that the test may prepare. */
async function setUp(t: TestContext, thrown: unknown, prepare: (exchange: Exchange) => void = () => {}) {
  const lines: string[] = [];
  const app = Fastify({ logger: { level: 'error', stream: { write: (line: string) => lines.push(line) } } });
  t.after(() => app.close());
  const exchange = openExchange({ method: 'GET', endpoint: '/' });
  prepare(exchange);
  app.decorateRequest('exchange', null);
  app.addHook('onRequest', async (request) => {
    request.exchange = exchange;
  });
  useErrorHandler(app);
  app.setNotFoundHandler(notFoundHandler);
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  app.get('/', async () => {
    throw thrown;
  });
  const query = Type.Object({ limit: Type.String({ pattern: '^[0-9]+$' }) });
  app.get('/list', { schema: { querystring: query } }, async () => 'ok');
  await app.ready();
  return { app, exchange, lines, get: (url = '/') => app.inject(url) };
}

test('a gateway error is answered as it is, and written into the exchange', async (t) => {
  const error = new GatewayError('rate_limit_exceeded', 'Slow down.', { retryAfterMs: 1_200 });
  const { get, exchange, lines } = await setUp(t, error);
  const response = await get();
  assert.equal(response.statusCode, 429);
  assert.equal(response.headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(response.headers['retry-after'], '2');
  assert.deepEqual(response.json(), {
    error: { message: 'Slow down.', type: 'rate_limit_error', param: null, code: 'rate_limit_exceeded' },
  });
  assert.deepEqual(
    [exchange.outcome, exchange.endReason, exchange.errorCode, exchange.errorMessage],
    ['rejected', 'rate_limited', 'rate_limit_exceeded', 'Slow down.'],
  );
  assert.deepEqual(lines, []);
});

test('a 401 says how to authenticate', async (t) => {
  const { get } = await setUp(t, new GatewayError('invalid_api_key', 'No.'));
  assert.equal((await get()).headers['www-authenticate'], 'Bearer');
});

test('an unexpected error is a 500 whose text is in the log alone', async (t) => {
  for (const thrown of [new Error('password is hunter2'), 'hunter2', null, { secret: 'hunter2' }]) {
    const { get, exchange, lines } = await setUp(t, thrown);
    const response = await get();
    assert.equal(response.statusCode, 500);
    assert.equal(response.json().error.code, 'internal_error');
    assert.ok(!response.body.includes('hunter2'));
    assert.ok(!exchange.errorMessage?.includes('hunter2'));
    assert.deepEqual([exchange.outcome, exchange.endReason], ['failed', 'internal_error']);
    assert.equal(lines.length, 1);
  }
});

test('an error of the host keeps its status, in the gateway’s words', async (t) => {
  const errors: [status: number, code: string][] = [
    [401, 'invalid_api_key'],
    [404, 'not_found'],
    [418, 'invalid_request_error'],
    [429, 'rate_limit_exceeded'],
  ];
  for (const [status, code] of errors) {
    const Host = createError('HOST_ERROR', 'the host says so', status);
    const response = await (await setUp(t, new Host())).get();
    assert.equal(response.statusCode, status);
    assert.deepEqual([response.json().error.code, response.json().error.message], [code, 'the host says so']);
  }
});

test('a server error of the host keeps its status, and its text to itself', async (t) => {
  const Host = createError('HOST_BUSY', 'heap at 99%', 503);
  const response = await (await setUp(t, new Host())).get();
  assert.equal(response.statusCode, 503);
  assert.ok(!response.body.includes('heap'));
});

test('an error with a status that is none is a 500', async (t) => {
  const { get } = await setUp(t, Object.assign(new Error('odd'), { statusCode: 200 }));
  assert.equal((await get()).statusCode, 500);
});

test('a wrong parameter is a 400 that names it and where it was', async (t) => {
  const { get } = await setUp(t, null);
  const wrong = (await get('/list?limit=NaN')).json().error;
  assert.deepEqual([wrong.code, wrong.param], ['invalid_request_error', 'limit']);
  assert.match(wrong.message, /^`limit` must match pattern .* in the querystring\.$/);
  const missing = (await get('/list')).json().error;
  assert.deepEqual([missing.param, missing.message], ['limit', '`limit` is required in the querystring.']);
});

test('an unknown URL is named without its query', async (t) => {
  const { get, exchange } = await setUp(t, null);
  const response = await get('/nothing?key=secret');
  assert.equal(response.statusCode, 404);
  assert.equal(response.json().error.message, 'Unknown URL: GET /nothing');
  assert.deepEqual([exchange.outcome, exchange.endReason], ['rejected', 'not_found']);
  assert.ok((await get(`/${'x'.repeat(5000)}`)).body.length < 400);
});

test('an error after an upstream was tried is a failure, after none a rejection', async (t) => {
  const error = new GatewayError('no_available_target', 'None.');
  const skipped = await setUp(t, error, (exchange) => skipAttempt(exchange, 'lab', 'm', 'rate_limited'));
  await skipped.get();
  assert.equal(skipped.exchange.outcome, 'rejected');
  const sent = await setUp(t, error, (exchange) => void beginAttempt(exchange, 'lab', 'm'));
  const response = await sent.get();
  assert.equal(sent.exchange.outcome, 'failed');
  assert.equal(response.headers['x-gateway-attempts'], '1');
});

test('what was concluded before the error stands', async (t) => {
  const { get, exchange } = await setUp(t, new GatewayError('upstream_error', 'Broke.'), (open) => {
    open.outcome = 'failed';
    open.endReason = 'upstream_reset';
    open.errorCode = 'upstream_reset';
    open.errorMessage = 'ECONNRESET';
  });
  await get();
  assert.deepEqual(
    [exchange.endReason, exchange.errorCode, exchange.errorMessage],
    ['upstream_reset', 'upstream_reset', 'ECONNRESET'],
  );
});
