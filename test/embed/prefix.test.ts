import assert from 'node:assert/strict';
import { test } from 'node:test';
import gateway from '../../src/index.js';
import { chat, post } from '../helpers/gateway.js';
import { completion, json, sse } from '../helpers/upstream.js';
import { complete, createHost, ending, errorOf, gatewayParts, listen } from './host.js';

for (const prefix of ['/ai', '/ai/', '/a/b/c', '', '/', undefined]) {
  test(`the gateway serves below the prefix ${JSON.stringify(prefix)}`, async (t) => {
    const { options, rows } = await gatewayParts(t, json());
    const { prefix: _, ...rest } = options;
    const app = createHost(t);
    app.register(gateway, prefix === undefined ? rest : { ...rest, prefix });
    const base = `${await listen(app)}${(prefix ?? '').replace(/\/$/, '')}`;
    assert.equal((await post(`${base}/v1/chat/completions`, chat)).status, 200);
    assert.equal((await fetch(`${base}/health`)).status, 200);
    assert.equal((await fetch(`${base}/stats`)).status, 200);
    const [row] = await rows(1);
    assert.deepEqual(ending(row), complete);
    assert.equal(row?.endpoint, '/v1/chat/completions');
  });
}

test('a prefix below a prefix of the host counts as one prefix', async (t) => {
  const { options, rows } = await gatewayParts(t, json());
  const app = createHost(t);
  app.register(
    async (scope) => {
      scope.register(gateway, options);
    },
    { prefix: '/internal' },
  );
  const base = await listen(app);
  assert.equal((await post(`${base}/internal/ai/v1/chat/completions`, chat)).status, 200);
  assert.equal((await errorOf(await fetch(`${base}/internal/ai/nowhere`))).code, 'not_found');
  assert.equal((await fetch(`${base}/ai/health`)).status, 404);
  const recorded = await rows(2);
  assert.deepEqual(
    recorded.map((row) => row.endpoint),
    ['/v1/chat/completions', '/nowhere'],
  );
});

test('a gateway without a prefix of its own leaves the unknown URLs of its scope to the host', async (t) => {
  const { options, rows } = await gatewayParts(t, json());
  const { prefix: _, ...rest } = options;
  const app = createHost(t);
  app.register(
    async (scope) => {
      scope.register(gateway, rest);
      scope.setNotFoundHandler(async (_request, reply) => reply.code(404).send({ host: 'not here' }));
    },
    { prefix: '/internal' },
  );
  const base = await listen(app);
  assert.equal((await post(`${base}/internal/v1/chat/completions`, chat)).status, 200);
  assert.deepEqual(await (await fetch(`${base}/internal/nowhere`)).json(), { host: 'not here' });
  assert.equal((await errorOf(await fetch(`${base}/internal/v1/nowhere`))).code, 'not_found');
  const recorded = await rows(2);
  assert.deepEqual(
    recorded.map((row) => row.endpoint),
    ['/v1/chat/completions', '/v1/nowhere'],
  );
});

test('a parameter in the prefix is no part of the endpoint', async (t) => {
  const { options, rows } = await gatewayParts(t, json());
  const app = createHost(t);
  app.register(gateway, { ...options, prefix: '/:tenant/ai' });
  const base = await listen(app);
  for (const tenant of ['a', 'a-much-longer-tenant']) {
    assert.equal((await post(`${base}/${tenant}/ai/v1/chat/completions`, chat)).status, 200);
    assert.equal((await fetch(`${base}/${tenant}/ai/nowhere`)).status, 404);
  }
  const recorded = await rows(4);
  assert.deepEqual(
    recorded.map((row) => row.endpoint),
    ['/v1/chat/completions', '/nowhere', '/v1/chat/completions', '/nowhere'],
  );
});

test('two gateways in one app keep providers, errors and ledgers apart', async (t) => {
  const left = await gatewayParts(t, json({ ...completion, id: 'left' }));
  const right = await gatewayParts(t, sse());
  const app = createHost(t);
  app.register(gateway, { ...left.options, prefix: '/left' });
  app.register(gateway, {
    ...right.options,
    prefix: '/right',
    providers: { other: { type: 'openai-compatible', baseUrl: right.upstream.url } },
    bodyLimit: 1000,
  });
  const base = await listen(app);
  const answer = await post(`${base}/left/v1/chat/completions`, chat);
  assert.equal(((await answer.json()) as { id: string }).id, 'left');
  const streamed = await post(`${base}/right/v1/chat/completions`, {
    ...chat,
    model: 'other/m',
    stream: true,
  });
  assert.match(await streamed.text(), /\[DONE\]/);
  const crossed = await post(`${base}/right/v1/chat/completions`, chat);
  assert.equal((await errorOf(crossed)).code, 'model_not_found');
  const large = { ...chat, user: 'x'.repeat(2000) };
  assert.equal((await post(`${base}/right/v1/chat/completions`, large)).status, 413);
  assert.equal((await post(`${base}/left/v1/chat/completions`, large)).status, 200);
  assert.deepEqual(
    (await left.rows(2)).map((row) => row.provider),
    ['main', 'main'],
  );
  assert.deepEqual(
    (await right.rows(3)).map((row) => [row.provider, row.end_reason]),
    [
      ['other', 'complete'],
      [null, 'no_route'],
      [null, 'body_too_large'],
    ],
  );
});

test('two gateways may share a database file', async (t) => {
  const { options, rows } = await gatewayParts(t, json());
  const app = createHost(t);
  app.register(gateway, { ...options, prefix: '/left' });
  app.register(gateway, { ...options, prefix: '/right' });
  const base = await listen(app);
  const sides = ['left', 'right', 'left', 'right', 'left', 'right'];
  const answers = await Promise.all(sides.map((side) => post(`${base}/${side}/v1/chat/completions`, chat)));
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
  const recorded = await rows(sides.length);
  assert.deepEqual(
    new Set(recorded.map((row) => row.id)),
    new Set(answers.map((answer) => answer.headers.get('x-request-id'))),
  );
  await app.close();
  const stats = createHost(t);
  stats.register(gateway, options);
  const totals = await stats.inject('/ai/stats');
  assert.equal(totals.json().totals.exchanges, sides.length);
});

test('under inject, before the host listens, everything works as on a socket', async (t) => {
  const { options, rows } = await gatewayParts(t, sse());
  const app = createHost(t);
  app.register(gateway, options);
  const url = '/ai/v1/chat/completions';
  const streamed = await app.inject({ method: 'POST', url, payload: { ...chat, stream: true } });
  assert.ok(streamed.body.endsWith('data: [DONE]\n\n'));
  const invalid = await app.inject({ method: 'POST', url, payload: { model: 'main/test-model' } });
  assert.equal(invalid.json().error.param, 'messages');
  const unknown = await app.inject('/ai/nowhere');
  assert.equal(unknown.json().error.code, 'not_found');
  const models = await app.inject('/ai/v1/models');
  assert.equal(models.json().object, 'list');
  assert.equal(app.server.listening, false);
  assert.deepEqual(
    (await rows(4)).map((row) => row.end_reason),
    ['complete', 'invalid_request', 'not_found', 'complete'],
  );
});

test('a prefix that is taken is an error of ready()', async (t) => {
  const app = createHost(t);
  app.register(gateway, { prefix: '/ai', database: false });
  app.register(gateway, { prefix: '/ai', database: false });
  await assert.rejects(async () => app.ready(), { code: 'FST_ERR_DUPLICATED_ROUTE' });
});
