import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import compress from '@fastify/compress';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import sensible from '@fastify/sensible';
import type { FastifyInstance } from 'fastify';
import gateway from '../../src/index.js';
import { chat, post, rawPost } from '../helpers/gateway.js';
import { chatEvents, completion, json, type Script, withResolvers } from '../helpers/upstream.js';
import { complete, createHost, ending, errorOf, gatewayParts, listen } from './host.js';

const rejectedByHost = { status: 429, outcome: 'rejected', end_reason: 'rejected_by_host' };

async function setUp(
  context: TestContext,
  script: Script,
  host: (app: FastifyInstance) => unknown,
  later: (app: FastifyInstance) => unknown = () => {},
) {
  const { options, ...parts } = await gatewayParts(context, script);
  const app = createHost(context);
  await host(app);
  app.register(gateway, options);
  await later(app);
  const base = await listen(app);
  return { ...parts, app, base, chatUrl: `${base}/ai/v1/chat/completions` };
}

/** Two events, and the rest when it is told to. */
function heldStream(headers: Record<string, string> = {}) {
  const more = withResolvers();
  const script: Script = async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', ...headers });
    response.write(chatEvents.slice(0, 2).join(''));
    await more.promise;
    response.end(chatEvents.slice(2).join(''));
  };
  return { script, release: more.resolve };
}

const hosts: Record<string, (app: FastifyInstance) => unknown> = {
  '@fastify/helmet': (app) => app.register(helmet),
  '@fastify/compress': (app) => app.register(compress, { threshold: 0 }),
  '@fastify/cors': (app) => app.register(cors, { origin: 'https://app.example' }),
  '@fastify/rate-limit': (app) => app.register(rateLimit, { max: 100 }),
  '@fastify/sensible': (app) => app.register(sensible),
  'all of them': async (app) => {
    await app.register(sensible);
    await app.register(helmet, { global: true });
    await app.register(cors, { origin: true, credentials: true });
    await app.register(compress, { threshold: 0 });
    await app.register(rateLimit, { max: 100 });
  },
};

for (const [name, host] of Object.entries(hosts)) {
  test(`behind ${name}, a stream arrives event by event, as the upstream sent it`, async (t) => {
    const { script, release } = heldStream();
    const { chatUrl, rows } = await setUp(t, script, host);
    const body = JSON.stringify({ ...chat, stream: true, stream_options: { include_usage: true } });
    const headers = { 'accept-encoding': 'gzip, br', origin: 'https://app.example' };
    const incoming = await rawPost(chatUrl, body, headers).response;
    const [first] = await once(incoming, 'data');
    assert.match(String(first), /"content":"Hello"/);
    release();
    let text = String(first);
    for await (const piece of incoming) text += piece;
    assert.equal(text, chatEvents.join(''));
    assert.equal(incoming.headers['content-encoding'], undefined);
    assert.match(String(incoming.headers['content-type']), /^text\/event-stream/);
    assert.deepEqual(ending((await rows(1))[0]), complete);
  });

  test(`behind ${name}, a JSON answer and an error are the gateway's own`, async (t) => {
    const { base, chatUrl, rows } = await setUp(t, json(), host);
    const answer = await post(chatUrl, chat);
    assert.equal(answer.headers.get('content-encoding'), null);
    assert.equal(await answer.text(), JSON.stringify(completion));
    const invalid = await post(chatUrl, { model: 'main/test-model' });
    assert.deepEqual([invalid.status, (await errorOf(invalid)).param], [400, 'messages']);
    const stats = (await (await fetch(`${base}/ai/stats`)).json()) as { totals: { exchanges: number } };
    assert.equal(stats.totals.exchanges, 2);
    assert.deepEqual(ending((await rows(2))[0]), complete);
  });
}

for (const stream of [false, true]) {
  test(`the security headers of the host outweigh an upstream's on ${stream ? 'a stream' : 'JSON'}`, async (t) => {
    const loose = {
      'content-security-policy': "default-src 'unsafe-eval'",
      'x-frame-options': 'ALLOWALL',
      'referrer-policy': 'unsafe-url',
      'strict-transport-security': 'max-age=0',
      'access-control-allow-origin': '*',
      'openai-processing-ms': '7',
    };
    const { script, release } = heldStream(loose);
    release();
    const { base, chatUrl } = await setUp(t, stream ? script : json(completion, 200, loose), async (app) => {
      await app.register(helmet);
      app.get('/own', async () => 'ok');
    });
    const own = await fetch(`${base}/own`);
    const answer = await post(chatUrl, { ...chat, stream });
    await answer.text();
    for (const name of Object.keys(loose)) {
      if (name === 'openai-processing-ms') continue;
      assert.equal(answer.headers.get(name), own.headers.get(name), name);
    }
    assert.equal(answer.headers.get('x-frame-options'), 'SAMEORIGIN');
    assert.equal(answer.headers.get('openai-processing-ms'), '7');
  });
}

for (const hook of ['onRequest', 'preHandler'] as const) {
  test(`a 429 of the host's rate limit in ${hook} is told in the gateway's words, and recorded`, async (t) => {
    const { chatUrl, rows, upstream } = await setUp(t, json(), (app) =>
      app.register(rateLimit, { max: 1, hook }),
    );
    const first = await post(chatUrl, chat);
    assert.equal(first.headers.get('x-ratelimit-remaining'), '0');
    const second = await post(chatUrl, chat);
    assert.equal(second.status, 429);
    assert.ok(Number(second.headers.get('retry-after')) > 0);
    assert.equal((await errorOf(second)).code, 'rate_limit_exceeded');
    assert.equal(upstream.seen.length, 1);
    const [, row] = await rows(2);
    assert.deepEqual(ending(row), rejectedByHost);
    assert.match(String(row?.error_message), /rate limit/i);
  });
}

test("a browser's preflight is answered by the host's CORS, and is no exchange", async (t) => {
  const { chatUrl, rows } = await setUp(t, json(), (app) =>
    app.register(cors, { origin: 'https://app.example' }),
  );
  const origin = 'https://app.example';
  const preflight = await fetch(chatUrl, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST' },
  });
  assert.equal(preflight.status, 204);
  const answer = await post(chatUrl, chat, { origin });
  assert.equal(answer.headers.get('access-control-allow-origin'), origin);
  assert.equal((await rows(1))[0]?.method, 'POST');
});

test('a body that the host has unpacked goes upstream as plain JSON', async (t) => {
  const { chatUrl, upstream } = await setUp(t, json(), (app) => app.register(compress));
  const body = gzipSync(JSON.stringify(chat));
  const { response } = rawPost(chatUrl, body, { 'content-encoding': 'gzip' });
  const incoming = await response;
  incoming.resume();
  assert.equal(incoming.statusCode, 200);
  const [seen] = upstream.seen;
  assert.equal(seen?.headers['content-encoding'], undefined);
  assert.deepEqual(JSON.parse(String(seen?.body)), { ...chat, model: 'test-model' });
});

test('@fastify/sensible may come after the gateway', async (t) => {
  const { app, chatUrl } = await setUp(
    t,
    json(),
    () => {},
    (later) => later.register(sensible),
  );
  assert.equal(app.hasDecorator('httpErrors'), true);
  assert.equal((await post(chatUrl, chat)).status, 200);
});
