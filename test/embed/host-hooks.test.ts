import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import gateway from '../../src/index.js';
import { chat, post } from '../helpers/gateway.js';
import { completion, json, type Script, sse, withResolvers } from '../helpers/upstream.js';
import { complete, createHost, ending, errorOf, gatewayParts, listen } from './host.js';

async function setUp(context: TestContext, script: Script, host: (app: FastifyInstance) => unknown) {
  const { options, ...parts } = await gatewayParts(context, script);
  const app = createHost(context);
  await host(app);
  app.register(gateway, options);
  const base = await listen(app);
  return { ...parts, app, base, chatUrl: `${base}/ai/v1/chat/completions` };
}

class LoginRequired extends Error {
  readonly statusCode = 401;
  readonly code = 'HOST_LOGIN_REQUIRED';
}

for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const) {
  test(`the host's own auth in ${hook} guards the gateway as it guards the host`, async (t) => {
    const { base, chatUrl, rows, upstream } = await setUp(t, json(), (app) => {
      app.addHook(hook, async (request: FastifyRequest) => {
        if (request.headers.authorization !== 'Bearer host-token') throw new LoginRequired('Log in first.');
      });
      app.setErrorHandler((error: Error, _request, reply) => reply.code(401).send({ host: error.message }));
      app.get('/own', async () => 'ok');
    });
    assert.deepEqual(await (await fetch(`${base}/own`)).json(), { host: 'Log in first.' });
    const refused = await post(chatUrl, chat);
    assert.equal(refused.status, 401);
    assert.equal((await errorOf(refused)).message, 'Log in first.');
    const admitted = await post(chatUrl, chat, { authorization: 'Bearer host-token' });
    assert.deepEqual(await admitted.json(), completion);
    assert.equal(upstream.seen.length, 1);
    assert.equal(upstream.seen[0]?.headers.authorization, 'Bearer upstream-secret');
    const [first, second] = await rows(2);
    assert.deepEqual(ending(first), { status: 401, outcome: 'rejected', end_reason: 'rejected_by_host' });
    assert.deepEqual(ending(second), complete);
  });
}

test("behind the host's own token, the gateway's key comes as x-api-key", async (t) => {
  const { options, rows } = await gatewayParts(t, json());
  const app = createHost(t);
  app.register(gateway, { ...options, keys: [{ name: 'web', key: 'sk-gateway-0123456789' }] });
  const url = `${await listen(app)}/ai/v1/chat/completions`;
  const authorization = 'Bearer host-token';
  assert.equal((await post(url, chat, { authorization })).status, 401);
  assert.equal((await post(url, chat, { authorization, 'x-api-key': 'sk-gateway-0123456789' })).status, 200);
  assert.deepEqual(
    (await rows(2)).map((row) => row.key_name ?? row.key),
    [null, 'web'],
  );
});

for (const stream of [false, true]) {
  const kind = stream ? 'a stream' : 'a JSON answer';

  test(`an onSend hook of the host that adds headers works with ${kind}`, async (t) => {
    const { chatUrl, rows } = await setUp(t, stream ? sse() : json(), (app) => {
      app.addHook('onSend', async (_request, reply) => {
        reply.header('x-host', 'added');
      });
    });
    const answer = await post(chatUrl, { ...chat, stream });
    assert.equal(answer.headers.get('x-host'), 'added');
    assert.match(await answer.text(), stream ? /\[DONE\]\n\n$/ : /"Hello there"/);
    const invalid = await post(chatUrl, { model: 1 });
    assert.deepEqual([invalid.status, invalid.headers.get('x-host')], [400, 'added']);
    assert.deepEqual(ending((await rows(2))[0]), complete);
  });

  test(`a slow onResponse hook of the host leaves exactly one ok record of ${kind}`, async (t) => {
    const reached = withResolvers();
    const more = withResolvers();
    const { app, chatUrl, rows } = await setUp(t, stream ? sse() : json(), (host) => {
      host.addHook('onResponse', async () => {
        reached.resolve();
        await more.promise;
      });
    });
    const answer = await post(chatUrl, { ...chat, stream });
    await answer.text();
    await reached.promise;
    more.resolve();
    await app.close();
    const [row] = await rows(1);
    assert.deepEqual(ending(row), complete);
    assert.equal(row?.usage_source, 'reported');
  });
}

test('an onSend hook of the host that fails is a failed exchange with one record', async (t) => {
  const { chatUrl, rows } = await setUp(t, json(), (app) => {
    app.addHook('onSend', async (_request, _reply, payload) => {
      if (Buffer.isBuffer(payload)) throw new Error('the host cannot');
      return payload;
    });
  });
  const answer = await post(chatUrl, chat);
  assert.equal(answer.status, 500);
  assert.equal((await errorOf(answer)).code, 'internal_error');
  const [row] = await rows(1);
  assert.equal(row?.status, 500);
  assert.notEqual(row?.outcome, 'ok');
});

test('hooks of the host read the body as the client sent it, also when it is large', async (t) => {
  const { options, rows } = await gatewayParts(
    t,
    json({ id: 'c', choices: [{ message: { content: 'Hi' } }] }),
  );
  const app = createHost(t);
  const seen: unknown[] = [];
  app.addHook('preValidation', async ({ body }) => void seen.push(body));
  app.addHook('preHandler', async ({ body }) => void seen.push(body));
  app.addHook('onSend', async ({ body }) => void seen.push(body));
  app.addHook('onResponse', async ({ body }) => void seen.push(body));
  app.register(gateway, options);
  const url = await listen(app);
  const content = 'Füße, 茶 and 😀. '.repeat(2000);
  const body = { model: 'main/ä', messages: [{ role: 'user', content, x: 'é\u0000' }], user: 'Zoë' };
  await (await post(`${url}/ai/v1/chat/completions`, body)).arrayBuffer();
  const [row] = await rows(1);
  assert.deepEqual(seen, [body, body, body, body]);
  // Nobody has counted but the gateway, from the body that it had let go of.
  assert.equal(row?.usage_source, 'estimated');
  assert.ok(Number(row?.input_uncached_tokens) > content.length / 4);
});
