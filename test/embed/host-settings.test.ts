import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import gateway from '../../src/index.js';
import { chat, post } from '../helpers/gateway.js';
import { completion, json, type Script, sse, withResolvers } from '../helpers/upstream.js';
import { complete, createHost, ending, errorOf, gatewayParts, listen } from './host.js';

/** A listening host with these settings, and a gateway below `/ai`. */
async function setUp(
  context: TestContext,
  settings: FastifyServerOptions,
  host: (app: FastifyInstance) => unknown = () => {},
  script: Script = json(),
) {
  const { options, ...parts } = await gatewayParts(context, script);
  const app = createHost(context, settings);
  await host(app);
  app.register(gateway, options);
  const base = await listen(app);
  return { ...parts, app, base, chatUrl: `${base}/ai/v1/chat/completions` };
}

/** Whatever the host has set, this is what a caller and the operator see. */
async function assertWorks({ base, chatUrl, rows }: Awaited<ReturnType<typeof setUp>>): Promise<void> {
  const answer = await post(chatUrl, { ...chat, stop: ['a'], logit_bias: null });
  assert.deepEqual(await answer.json(), completion);
  const invalid = await post(chatUrl, { model: 'main/test-model' });
  assert.equal(invalid.status, 400);
  const { type, param } = await errorOf(invalid);
  assert.deepEqual({ type, param }, { type: 'invalid_request_error', param: 'messages' });
  const models = (await (await fetch(`${base}/ai/v1/models`)).json()) as { object: string };
  assert.equal(models.object, 'list');
  const stats = (await (await fetch(`${base}/ai/stats`)).json()) as { totals: { exchanges: number } };
  assert.equal(stats.totals.exchanges, 3);
  const page = (await (await fetch(`${base}/ai/exchanges`)).json()) as { data: unknown[] };
  assert.equal(page.data.length, 3);
  const [first] = await rows(3);
  assert.deepEqual(ending(first), complete);
}

const customs: Record<string, (app: FastifyInstance) => unknown> = {
  'validator compiler': (app) =>
    app.setValidatorCompiler(() => () => ({ error: new Error('the host validates nothing but its own') })),
  'serializer compiler': (app) =>
    app.setSerializerCompiler(() => {
      throw new TypeError('not a schema of the host');
    }),
  'serializer of replies': (app) => app.setReplySerializer((payload) => JSON.stringify({ wrapped: payload })),
  'formatter of schema errors': (app) =>
    app.setSchemaErrorFormatter((errors) => {
      // As Ajv has it.
      const [{ missingProperty }] = errors.map(({ params }) => params) as [{ missingProperty: string }];
      return new Error(`host: ${missingProperty.toUpperCase()}`);
    }),
  'error handler': (app) =>
    app.setErrorHandler((_error, _request, reply) => reply.code(418).send({ host: true })),
  'schema with the id of a common word': (app) =>
    app.addSchema({ $id: 'body', type: 'object', additionalProperties: false }),
};

for (const [name, set] of Object.entries(customs)) {
  test(`a host may have its own ${name}`, async (t) => {
    await assertWorks(await setUp(t, {}, set));
  });
}

const settings: Record<string, FastifyServerOptions> = {
  'a genReqId': { genReqId: () => 'host-id', requestIdHeader: 'x-request-id' },
  'onProtoPoisoning: remove': { onProtoPoisoning: 'remove', onConstructorPoisoning: 'remove' },
  'Ajv that removes and coerces everything': {
    ajv: { customOptions: { removeAdditional: 'all', coerceTypes: 'array', useDefaults: true } },
  },
  'no way to override an error handler': { allowErrorHandlerOverride: false },
  'no HEAD routes, loose URLs': {
    exposeHeadRoutes: false,
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false },
  },
  'no answers while it closes': { return503OnClosing: true, forceCloseConnections: true },
};

for (const [name, options] of Object.entries(settings)) {
  test(`a host may have ${name}`, async (t) => {
    await assertWorks(await setUp(t, options));
  });
}

test("the host's request id is its own, and the caller's id is kept in the record", async (t) => {
  const { chatUrl, rows } = await setUp(t, { genReqId: () => 'host-id' });
  const response = await post(chatUrl, chat, { 'x-request-id': 'caller-1' });
  const [row] = await rows(1);
  assert.equal(row?.id, response.headers.get('x-request-id'));
  assert.notEqual(row?.id, 'host-id');
  assert.equal(row?.correlation_id, 'caller-1');
});

test("the host's body limit does not apply below the prefix: 2 MB pass, byte for byte", async (t) => {
  const { base, chatUrl, upstream } = await setUp(t, { bodyLimit: 1000 }, (app) => {
    app.post('/own', async () => 'ok');
  });
  const body = JSON.stringify({
    ...chat,
    model: 'test-model',
    messages: [{ role: 'user', content: 'x'.repeat(2e6) }],
  });
  const sent = body.replace('"test-model"', '"main/test-model"');
  assert.equal((await post(chatUrl, sent)).status, 200);
  assert.equal(upstream.seen[0]?.body.toString(), body);
  assert.equal((await post(`${base}/own`, { text: 'x'.repeat(1000) })).status, 413);
});

test("the gateway's own body limit is answered in its own words", async (t) => {
  const { options, rows } = await gatewayParts(t, json());
  const app = createHost(t);
  app.register(gateway, { ...options, bodyLimit: '1kB' });
  const url = `${await listen(app)}/ai/v1/chat/completions`;
  const response = await post(url, { ...chat, user: 'x'.repeat(2000) });
  assert.equal(response.status, 413);
  assert.equal((await errorOf(response)).code, 'request_too_large');
  const [row] = await rows(1);
  assert.deepEqual(ending(row), { status: 413, outcome: 'rejected', end_reason: 'body_too_large' });
});

for (const stream of [false, true]) {
  const kind = stream ? 'stream' : 'answer';
  test(`a handlerTimeout of the host cuts neither a slow upload nor a slow ${kind}`, async (t) => {
    const reached = withResolvers();
    const outlived = withResolvers();
    const script: Script = async (...args) => {
      reached.resolve();
      await outlived.promise;
      (stream ? sse() : json())(...args);
    };
    const own = (app: FastifyInstance) => app.get('/own', () => new Promise(() => {}));
    const { base, chatUrl, rows } = await setUp(t, { handlerTimeout: 50 }, own, script);
    // It comes later and times out: so would the gateway's request.
    const untilTimeout = async () => assert.equal((await fetch(`${base}/own`)).status, 503);

    const body = JSON.stringify({ ...chat, stream });
    const headers = {
      'content-type': 'application/json',
      'content-length': body.length,
      expect: '100-continue',
    };
    const outgoing = request(chatUrl, { method: 'POST', agent: false, headers });
    const answer = once(outgoing, 'response');
    outgoing.flushHeaders();
    await once(outgoing, 'continue');
    outgoing.write(body.slice(0, 10));
    await untilTimeout();
    outgoing.end(body.slice(10));
    await Promise.race([reached.promise, answer]);
    await untilTimeout();
    outlived.resolve();
    const [incoming] = (await answer) as [IncomingMessage];
    assert.equal(incoming.statusCode, 200);
    incoming.resume();
    assert.deepEqual(ending((await rows(1))[0]), complete);
  });
}

test("the host server's timeouts stay as they were", async (t) => {
  const app = createHost(t, { requestTimeout: 12_345, keepAliveTimeout: 23_456, connectionTimeout: 34_567 });
  const timeouts = () => {
    const { requestTimeout, headersTimeout, keepAliveTimeout, timeout, maxRequestsPerSocket } = app.server;
    return { requestTimeout, headersTimeout, keepAliveTimeout, timeout, maxRequestsPerSocket };
  };
  const before = timeouts();
  const { options } = await gatewayParts(t, json());
  app.register(gateway, options);
  await listen(app);
  assert.deepEqual(timeouts(), before);
  assert.equal(before.requestTimeout, 12_345);
});

test('"__proto__" in a body goes upstream as it came, and touches no prototype', async (t) => {
  const { chatUrl, upstream } = await setUp(t, {});
  const rest =
    '"messages":[{"role":"user","content":"Hi"}],"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
  assert.equal((await post(chatUrl, `{"model":"main/test-model",${rest}`)).status, 200);
  assert.equal(upstream.seen[0]?.body.toString(), `{"model":"test-model",${rest}`);
  assert.equal('polluted' in {}, false);
});
