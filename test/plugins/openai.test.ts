import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import exchange from '../../plugins/exchange.js';
import forwarding from '../../plugins/forwarding.js';
import openai from '../../plugins/openai.js';
import routing from '../../plugins/routing.js';
import { parseConfig } from '../../src/config.js';
import { noLedger } from '../../src/db/ledger.js';
import type { Exchange } from '../../src/exchange.js';
import { json, startUpstream } from '../helpers/upstream.js';

const defaults = {
  providers: { echo: { type: 'echo', models: { echo: { alias: 'parrot' }, 'org/deep:v1.5': {} } } },
  routes: { main: { targets: ['echo/echo'] } },
};

/** The plugin with what it needs and nothing else: no auth, no ledger. */
async function setUp(
  t: TestContext,
  options: object = {},
  host: (app: FastifyInstance) => unknown = () => {},
  server: FastifyServerOptions = {},
) {
  const config = parseConfig({ ...defaults, ...options }, {});
  const app = Fastify(server);
  t.after(() => app.close());
  const records: Exchange[] = [];
  app.decorate('gatewayLedger', { ...noLedger(), record: (settled) => records.push(settled) });
  await host(app);
  await app.register(exchange, config);
  await app.register(routing, config);
  await app.register(forwarding, config);
  await app.register(openai, config);
  await app.ready();
  return {
    app,
    records,
    post: (url: string, payload: string | object, headers: Record<string, string> = {}) =>
      app.inject({
        method: 'POST',
        url,
        payload,
        headers: { 'content-type': 'application/json', ...headers },
      }),
  };
}

const chat = { model: 'main', messages: [{ role: 'user', content: 'Hello there' }] };

test('a chat is answered, and the headers say who did', async (t) => {
  const { post, records } = await setUp(t);
  const response = await post('/v1/chat/completions', chat);
  assert.equal(response.statusCode, 200);
  assert.equal(response.json().choices[0].message.content, 'Hello there');
  const { headers } = response;
  assert.deepEqual(
    [headers['x-gateway-provider'], headers['x-gateway-model'], headers['x-gateway-route']],
    ['echo', 'echo', 'main'],
  );
  assert.equal(headers['x-gateway-attempts'], '1');
  assert.match(
    String(headers['server-timing']),
    /^gateway;dur=[\d.]+, upstream;dur=[\d.]+, queue;dur=0\.000$/,
  );
  const [record] = records;
  assert.deepEqual(
    [record?.requestedModel, record?.route, record?.strategy, record?.outcome],
    ['main', 'main', 'priority', 'ok'],
  );
});

test('a stream is a stream of events, and nothing on the way may hold it back', async (t) => {
  const { post, records } = await setUp(t);
  const response = await post('/v1/chat/completions', { ...chat, stream: true });
  assert.match(String(response.headers['content-type']), /^text\/event-stream/);
  assert.equal(response.headers['cache-control'], 'no-cache, no-transform');
  assert.equal(response.headers['x-accel-buffering'], 'no');
  assert.equal(response.headers['content-length'], undefined);
  assert.ok(response.body.endsWith('data: [DONE]\n\n'));
  assert.deepEqual([records[0]?.streaming, records[0]?.usageSource], [true, 'reported']);
});

test('the usage chunk comes only to those who ask for it', async (t) => {
  const { post } = await setUp(t);
  const without = await post('/v1/chat/completions', { ...chat, stream: true });
  assert.ok(!without.body.includes('"prompt_tokens"'));
  const asked = { ...chat, stream: true, stream_options: { include_usage: true } };
  assert.ok((await post('/v1/chat/completions', asked)).body.includes('"prompt_tokens"'));
});

test('embeddings are answered', async (t) => {
  const { post } = await setUp(t);
  const response = await post('/v1/embeddings', { model: 'echo/echo', input: ['a', 'b'] });
  assert.equal(response.statusCode, 200);
  assert.equal(response.json().data.length, 2);
});

test('bodies that OpenAI takes are taken: nulls, new roles, unknown fields', async (t) => {
  const { post } = await setUp(t);
  const messages = [
    { role: 'developer', content: 'Be brief.' },
    { role: 'assistant', content: null, tool_calls: [] },
    { role: 'user', content: [{ type: 'text', text: 'Hi' }], cache_control: {} },
  ];
  for (const fields of [{ stream: null }, { seed: 1e300, new_thing: [null] }, { stream_options: null }]) {
    const response = await post('/v1/chat/completions', { ...chat, messages, ...fields });
    assert.equal(response.statusCode, 200, JSON.stringify(fields));
  }
});

test('a body that is wrong is a 400 that names the field', async (t) => {
  const { post, records } = await setUp(t);
  const bodies: [body: object, param: string][] = [
    [{ messages: chat.messages }, 'model'],
    [{ model: 'main' }, 'messages'],
    [{ ...chat, model: '' }, 'model'],
    [{ ...chat, model: 7 }, 'model'],
    [{ ...chat, messages: [] }, 'messages'],
    [{ ...chat, messages: 'Hi' }, 'messages'],
    [{ ...chat, messages: ['Hi'] }, 'messages.0'],
    [{ ...chat, stream: 'true' }, 'stream'],
  ];
  for (const [body, param] of bodies) {
    const response = await post('/v1/chat/completions', body);
    assert.equal(response.statusCode, 400, JSON.stringify(body));
    const { error } = response.json();
    assert.deepEqual([error.code, error.param], ['invalid_request_error', param]);
  }
  assert.ok(
    records.every(({ outcome, endReason }) => outcome === 'rejected' && endReason === 'invalid_request'),
  );
  assert.equal(records.length, bodies.length);
});

test('what is no JSON object is a 400', async (t) => {
  const { post } = await setUp(t);
  for (const body of ['{"model":', 'null', '[]', '"text"', '']) {
    const response = await post('/v1/chat/completions', body);
    assert.equal(response.statusCode, 400, body);
    assert.equal(response.json().error.code, 'invalid_request_error', body);
  }
});

test('a body of another type is a 415, and one that is too large a 413', async (t) => {
  const { post } = await setUp(t, { bodyLimit: 100 });
  const text = await post('/v1/chat/completions', 'Hi', { 'content-type': 'text/plain' });
  assert.deepEqual([text.statusCode, text.json().error.code], [415, 'unsupported_media_type']);
  const large = await post('/v1/chat/completions', { ...chat, user: 'x'.repeat(200) });
  assert.deepEqual([large.statusCode, large.json().error.code], [413, 'request_too_large']);
});

test('an unknown model is a 404 on `model`', async (t) => {
  const { post, records } = await setUp(t);
  for (const model of ['gpt-4o', '__proto__', 'constructor', 'echo/unknown']) {
    const response = await post('/v1/chat/completions', { ...chat, model });
    assert.equal(response.statusCode, 404);
    assert.deepEqual([response.json().error.code, response.json().error.param], ['model_not_found', 'model']);
  }
  assert.deepEqual([records[0]?.outcome, records[0]?.endReason], ['rejected', 'no_route']);
});

test('the models are listed in OpenAI’s shape', async (t) => {
  const { app } = await setUp(t);
  const { object, data } = (await app.inject('/v1/models')).json();
  assert.equal(object, 'list');
  assert.deepEqual(
    data.map(({ id }: { id: string }) => id),
    ['main', 'parrot', 'echo/echo', 'echo/org/deep:v1.5'],
  );
  assert.deepEqual(data[0], { id: 'main', object: 'model', created: 0, owned_by: 'gateway' });
});

test('one model is found by its id, whatever characters it has', async (t) => {
  const { app } = await setUp(t);
  for (const id of ['main', 'parrot', 'echo', 'echo/org/deep:v1.5', 'echo%2Forg%2Fdeep%3Av1.5']) {
    const response = await app.inject(`/v1/models/${id}`);
    assert.equal(response.statusCode, 200, id);
    assert.equal(response.json().id, decodeURIComponent(id));
  }
  for (const id of ['unknown', '__proto__', 'ech']) {
    const response = await app.inject(`/v1/models/${id}`);
    assert.equal(response.statusCode, 404, id);
    assert.equal(response.json().error.code, 'model_not_found');
  }
});

test('a key that is bound to routes may use no other, and sees no other', async (t) => {
  const { app, post, records } = await setUp(t, {}, (host) => {
    host.addHook('preParsing', async (request) => {
      const caller = {
        name: 'web',
        scopes: new Set(['proxy']),
        allowed: new Set(['main']),
        limits: null,
        budget: null,
        policy: null,
        capture: null,
      };
      if (request.exchange !== null) request.exchange.caller = caller;
    });
  });
  assert.equal((await post('/v1/chat/completions', chat)).statusCode, 200);
  for (const model of ['parrot', 'echo/echo']) {
    const response = await post('/v1/chat/completions', { ...chat, model });
    assert.deepEqual([response.statusCode, response.json().error.code], [403, 'insufficient_permissions']);
  }
  assert.deepEqual(
    records.map(({ outcome }) => outcome),
    ['ok', 'rejected', 'rejected'],
  );
  const { data } = (await app.inject('/v1/models')).json();
  assert.deepEqual(
    data.map(({ id }: { id: string }) => id),
    ['main'],
  );
});

test('any other path below /v1 is a 404 in the gateway’s words, whatever is sent there', async (t) => {
  const { app, post, records } = await setUp(t);
  const responses = [
    await app.inject('/v1/files?secret=1'),
    await post('/v1/files', '{"broken', {}),
    await post('/v1/audio/voices', 'RIFF', { 'content-type': 'audio/wav' }),
    await app.inject({ method: 'DELETE', url: '/v1/files/1' }),
  ];
  for (const response of responses) {
    assert.equal(response.statusCode, 404);
    assert.equal(response.json().error.code, 'not_found');
    assert.ok(!response.body.includes('secret'));
  }
  assert.equal(records.length, responses.length);
});

test('parsers, validator and error handler of the host stay as they are', async (t) => {
  const { app } = await setUp(t, {}, (host) => {
    host.post(
      '/own',
      { schema: { body: { type: 'object', properties: { n: { type: 'integer' } } } } },
      async (request) => request.body,
    );
  });
  const post = (payload: string) =>
    app.inject({ method: 'POST', url: '/own', payload, headers: { 'content-type': 'application/json' } });
  assert.deepEqual((await post('{"n":"7"}')).json(), { n: 7 }, 'the host coerces, as Fastify does');
  const wrong = await post('{"n":"x"}');
  assert.deepEqual([wrong.statusCode, wrong.json().code], [400, 'FST_ERR_VALIDATION']);
});

test('headers that the host has set are the host’s, but what describes the body is the answer’s', async (t) => {
  const upstream = await startUpstream(
    t,
    json(undefined, 200, { 'x-frame-options': 'ALLOWALL', 'x-other': '1' }),
  );
  const providers = { lab: { type: 'openai-compatible', baseUrl: upstream.url }, ...defaults.providers };
  const { post } = await setUp(t, { providers }, (host) => {
    host.addHook('onRequest', async (_request, reply) => {
      reply.headers({ 'x-frame-options': 'DENY', 'content-type': 'text/plain', 'cache-control': 'private' });
    });
  });
  const whole = await post('/v1/chat/completions', { ...chat, model: 'lab/m' });
  assert.equal(whole.headers['x-frame-options'], 'DENY');
  assert.equal(whole.headers['x-other'], '1');
  assert.equal(whole.headers['content-type'], 'application/json');
  const stream = await post('/v1/chat/completions', { ...chat, stream: true });
  assert.equal(stream.headers['cache-control'], 'no-cache, no-transform');
});

test('a handler timeout of the host does not cut an answer', async (t) => {
  const { post } = await setUp(t, { providers: { echo: { type: 'echo', latency: 100 } } }, () => {}, {
    handlerTimeout: 20,
  });
  assert.equal((await post('/v1/chat/completions', chat)).statusCode, 200);
});

test('without what it builds upon the start fails, and says what is missing', async () => {
  const bare = Fastify();
  bare.register(openai, { bodyLimit: 1000, uploadLimit: 1000, streamPing: null });
  await assert.rejects(async () => bare.ready(), {
    code: 'FST_ERR_PLUGIN_NOT_PRESENT_IN_INSTANCE',
    message: /'gatewayRouter' required by 'gateway-openai'/,
  });
  const config = parseConfig(defaults, {});
  const routed = Fastify();
  routed.register(routing, config);
  routed.register(forwarding, config);
  routed.register(openai, config);
  await assert.rejects(
    async () => routed.ready(),
    /'exchange' of Request required by 'gateway-openai'|'exchange'/,
  );
});

test('alone in a host with a formatter and a serializer of its own, the answers are still the API’s', async (t) => {
  const { post, app } = await setUp(t, {}, (host) => {
    host.setSchemaErrorFormatter(() => new Error('the words of the host'));
    host.setReplySerializer((payload) => JSON.stringify({ wrapped: payload }));
  });
  const refused = await post('/v1/chat/completions', { model: 'main', messages: 'no list' });
  assert.equal(refused.statusCode, 400);
  assert.equal(refused.json().error.param, 'messages');
  assert.equal((await app.inject('/v1/models')).json().object, 'list');
});
