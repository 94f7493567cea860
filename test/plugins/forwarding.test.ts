import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import forwarding from '../../plugins/forwarding.js';
import routing from '../../plugins/routing.js';
import { parseConfig } from '../../src/config.js';
import { type Endpoint, endpoints } from '../../src/endpoints.js';
import { openExchange } from '../../src/exchange.js';
import { requestFacts } from '../../src/routing/facts.js';
import { jsonBody } from '../../src/upstream/outgoing.js';
import { failing, json, startUpstream } from '../helpers/upstream.js';

const [chatEndpoint] = endpoints as readonly [Endpoint];
const message = { role: 'user', content: 'Say this' };

/** Routing and forwarding alone, and a way to send a chat through them. */
async function setUp(t: TestContext, options: object) {
  const config = parseConfig({ retries: 0, ...options }, {});
  const app = Fastify();
  t.after(() => app.close());
  await app.register(routing, config);
  await app.register(forwarding, config);
  await app.ready();

  async function send(model: string, fields: Record<string, unknown> = {}) {
    const exchange = openExchange({ method: 'POST', endpoint: '/v1/chat/completions' });
    exchange.requestedModel = model;
    const body = { model, messages: [message], ...fields };
    const bytes = Buffer.from(JSON.stringify(body));
    const caller = { caller: null, session: null, policy: null };
    const answer = await app.gatewayUpstream
      .forward({
        exchange,
        resolution: app.gatewayRouter.resolve(model, null),
        facts: requestFacts({ endpoint: 'chat/completions', body, bodyBytes: bytes.length, ...caller }),
        endpoint: chatEndpoint,
        query: '',
        headers: { 'content-type': 'application/json', authorization: 'Bearer gateway-key' },
        body: jsonBody(bytes),
        streaming: fields.stream === true,
        addStreamUsage: false,
        estimate: () => null,
      })
      .catch((error: unknown) => ({ status: 0, body: Buffer.alloc(0), error }));
    return { exchange, answer };
  }
  return { app, send };
}

const refusing = { type: 'echo', fail: 'refuse' };

test('an answer of the built-in provider comes whole, and is accounted for', async (t) => {
  const { send } = await setUp(t, { providers: { echo: { type: 'echo' } } });
  const { exchange, answer } = await send('echo/echo');
  assert.equal(answer.status, 200);
  assert.ok(Buffer.isBuffer(answer.body));
  assert.equal(JSON.parse(answer.body.toString()).choices[0].message.content, 'Say this');
  assert.deepEqual([exchange.provider, exchange.model, exchange.outcome], ['echo', 'echo', 'ok']);
  assert.equal(exchange.usageSource, 'reported');
  assert.equal(exchange.attempts[0]?.reason, 'answered');
});

test('a stream is given out as soon as there is content', async (t) => {
  const { send } = await setUp(t, { providers: { echo: { type: 'echo', wordDelay: 5 } } });
  const { exchange, answer } = await send('echo/echo', { stream: true });
  assert.ok(answer.body instanceof Readable);
  assert.equal(exchange.outcome, null);
  let text = '';
  for await (const piece of answer.body) text += piece;
  assert.ok(text.endsWith('data: [DONE]\n\n'));
  assert.deepEqual([exchange.outcome, exchange.delivered], ['ok', true]);
});

test('the next target answers when the first cannot be reached', async (t) => {
  const { send } = await setUp(t, {
    providers: { dead: refusing, echo: { type: 'echo' } },
    routes: { main: { targets: ['dead/echo', 'echo/echo'] } },
  });
  const { exchange, answer } = await send('main');
  assert.equal(answer.status, 200);
  assert.deepEqual(
    exchange.attempts.map(({ number, provider, reason }) => [number, provider, reason]),
    [
      [1, 'dead', 'upstream_unreachable'],
      [2, 'echo', 'answered'],
    ],
  );
});

test('a rate limited target is left alone for as long as it said', async (t) => {
  const { app, send } = await setUp(t, {
    providers: { busy: { type: 'echo', fail: 429, retryAfter: '30s' }, echo: { type: 'echo' } },
    routes: { main: { targets: ['busy/echo', 'echo/echo'] } },
  });
  const before = Date.now();
  await send('main');
  const block = app.gatewayRouter.availability.blocked('busy', 'busy/echo', Date.now());
  assert.equal(block?.obstacle, 'rate_limited');
  const waits = (block?.until ?? 0) - before;
  assert.ok(waits >= 30_000 && waits < 40_000, String(waits));
  const { exchange } = await send('main');
  assert.deepEqual(
    exchange.attempts.map(({ provider, decision, reason }) => [provider, decision, reason]),
    [
      ['busy', 'skipped', 'rate_limited'],
      ['echo', 'sent', 'answered'],
    ],
  );
});

test('when every target is blocked nothing is sent, and the caller is told when to come back', async (t) => {
  const { app, send } = await setUp(t, { providers: { echo: { type: 'echo' } } });
  app.gatewayRouter.availability.block('echo', 'rate_limited', Date.now() + 7_000);
  const { answer, exchange } = await send('echo/echo');
  assert.ok('error' in answer && answer.error instanceof Error);
  assert.equal('code' in answer.error && answer.error.code, 'rate_limit_exceeded');
  assert.deepEqual(
    exchange.attempts.map(({ decision }) => decision),
    ['skipped'],
  );
});

test('a request the upstream finds wrong is not tried elsewhere', async (t) => {
  const { send } = await setUp(t, {
    providers: { strict: { type: 'echo', fail: 400 }, echo: { type: 'echo' } },
    routes: { main: { targets: ['strict/echo', 'echo/echo'] } },
  });
  const { exchange, answer } = await send('main');
  assert.equal(answer.status, 400);
  assert.equal(exchange.attempts.length, 1);
});

test('too long a context goes to a target that declares a larger one, past those that do not', async (t) => {
  const small = await startUpstream(t, failing(400, 'maximum context length is 4096 tokens'));
  const at = (baseUrl: string, context?: number) => ({
    type: 'openai-compatible',
    baseUrl,
    models: { m: context === undefined ? {} : { context } },
  });
  const large = await startUpstream(t, json());
  const { send } = await setUp(t, {
    providers: {
      small: at(small.url, 4096),
      same: at(large.url, 4096),
      unknown: at(large.url),
      large: at(large.url, 8192),
    },
    routes: { main: { targets: ['small/m', 'same/m', 'unknown/m', 'large/m'] } },
  });
  const { exchange, answer } = await send('main');
  assert.equal(answer.status, 200);
  assert.deepEqual(
    exchange.attempts.map(({ provider, reason }) => [provider, reason]),
    [
      ['small', 'http_400'],
      ['same', 'context_too_small'],
      ['unknown', 'context_too_small'],
      ['large', 'answered'],
    ],
  );
});

test('the provider gets its own credential and the model by its own name', async (t) => {
  const upstream = await startUpstream(t, json());
  const { send } = await setUp(t, {
    providers: { lab: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: 'lab-secret' } },
  });
  await send('lab/org/model', { seed: 1.0 });
  const [seen] = upstream.seen;
  assert.equal(seen?.url, '/v1/chat/completions');
  assert.equal(seen?.headers.authorization, 'Bearer lab-secret');
  assert.equal(JSON.parse(seen?.body.toString() ?? '').model, 'org/model');
});

test('a credential that an upstream repeats is in no record', async (t) => {
  const lines = ['{"error":{"message":"bad key lab-secret"}}', 'bad key lab-secret'];
  for (const status of [400, 401, 500]) {
    for (const line of lines) {
      const upstream = await startUpstream(t, (response) => response.writeHead(status).end(line));
      const { send } = await setUp(t, {
        providers: { lab: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: 'lab-secret' } },
      });
      const { exchange, answer } = await send('lab/m');
      assert.equal(exchange.attempts[0]?.error, 'bad key ***');
      assert.equal(exchange.errorMessage, 'bad key ***');
      assert.ok(!String(answer.body).includes('lab-secret'));
    }
  }
});

test('a stream’s own error does not bring the credential into the record either', async (t) => {
  const text = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'Hi' } }] })}\n\n`;
  const error = 'data: {"error":{"message":"bad key lab-secret"}}\n\n';
  const upstream = await startUpstream(t, (response) =>
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(text + error),
  );
  const { send } = await setUp(t, {
    providers: { lab: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: 'lab-secret' } },
  });
  const { exchange, answer } = await send('lab/m', { stream: true });
  assert.ok(answer.body instanceof Readable);
  await answer.body.toArray();
  assert.equal(exchange.outcome, 'truncated');
  assert.deepEqual([exchange.errorMessage, exchange.attempts[0]?.error], ['bad key ***', 'bad key ***']);
});

test('closing the app closes the connections to the providers', async (t) => {
  const upstream = await startUpstream(t, json());
  const { app, send } = await setUp(t, {
    providers: { lab: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  await send('lab/m');
  assert.equal(upstream.sockets.size, 1);
  const closed = Promise.all(
    [...upstream.sockets].map((socket) => new Promise((done) => socket.once('close', done))),
  );
  await app.close();
  await closed;
  const { answer } = await send('lab/m');
  assert.ok('error' in answer);
});

test('without a router the start fails, and says what is missing', async () => {
  const app = Fastify();
  app.register(forwarding, parseConfig({ providers: { echo: { type: 'echo' } } }, {}));
  await assert.rejects(async () => app.ready(), {
    code: 'FST_ERR_PLUGIN_NOT_PRESENT_IN_INSTANCE',
    message: /'gatewayRouter' required by 'gateway-forwarding'/,
  });
});
