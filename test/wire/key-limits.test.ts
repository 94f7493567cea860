import assert from 'node:assert/strict';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import OpenAI from 'openai';
import { chat, errorOf, post, type Row, rawPost } from '../helpers/gateway.js';
import {
  chunk,
  failing,
  json,
  roleChunk,
  type Script,
  sse,
  sseThenHang,
  startUpstream,
} from '../helpers/upstream.js';
import { bearer, FREE, KEY, startLimited } from './key-limits-fixture.js';

/** The rate-limit headers of an answer. */
function limitsOf({ headers }: Response): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.includes('ratelimit')));
}

test('every answer says what is left: JSON, streams, errors of the upstream, of the body, of the URL', async (t) => {
  const { gateway, upstream, ask } = await startLimited(t, { requestsPerMinute: 10, tokensPerMinute: 1000 });
  const remaining: (string | null)[] = [];
  async function see(response: Response): Promise<void> {
    await response.arrayBuffer();
    assert.equal(response.headers.get('x-ratelimit-limit-requests'), '10');
    assert.equal(response.headers.get('x-ratelimit-limit-tokens'), '1000');
    assert.match(response.headers.get('x-ratelimit-reset-requests') ?? '', /^(\d+s|1m[01]s)$/);
    remaining.push(response.headers.get('x-ratelimit-remaining-requests'));
  }
  await see(await ask());
  upstream.script(sse());
  await see(await ask({ ...chat, stream: true }));
  upstream.script(failing(400, 'No.'));
  await see(await ask());
  await see(await ask('{"model":'));
  await see(await ask({ ...chat, model: 'nobody/knows' }));
  await see(await fetch(`${gateway.url}/v1/models`, { headers: bearer }));
  await see(await fetch(`${gateway.url}/nowhere`, { headers: bearer }));
  assert.deepEqual(remaining, ['9', '8', '7', '6', '5', '4', '3']);
  const forbidden = await ask(chat, { authorization: 'Bearer ops-key-0123456789' });
  assert.equal(forbidden.status, 403);
  assert.equal(forbidden.headers.get('x-ratelimit-remaining-requests'), '10');
});

test('the upstream’s own limits are not shown to a caller that has limits, and are to others', async (t) => {
  const own = {
    'x-ratelimit-limit-requests': '30000',
    'x-ratelimit-remaining-project-tokens': '7',
    'anthropic-ratelimit-tokens-remaining': '8',
    'ratelimit-policy': '9',
  };
  const { ask } = await startLimited(t, { requestsPerDay: 10 }, json(undefined, 200, own));
  const { 'x-ratelimit-reset-requests': reset, ...rest } = limitsOf(await ask());
  assert.match(reset ?? '', /^24h\d+m\d+s$/);
  assert.deepEqual(rest, { 'x-ratelimit-limit-requests': '10', 'x-ratelimit-remaining-requests': '9' });
  assert.deepEqual(limitsOf(await ask(chat, { authorization: `Bearer ${FREE}` })), own);
});

test('the request after the last one is a 429 that names the limit, reaches nobody, and is recorded', async (t) => {
  const { gateway, upstream, ask } = await startLimited(t, { requestsPerMinute: 2 });
  for (let count = 0; count < 2; count++) assert.equal((await ask()).status, 200);
  const refused = await ask();
  assert.equal(refused.status, 429);
  const wait = Number(refused.headers.get('retry-after'));
  assert.ok(wait > 55 && wait <= 61, `${wait}`);
  assert.equal(refused.headers.get('x-ratelimit-remaining-requests'), '0');
  const error = await errorOf(refused);
  assert.deepEqual([error.code, error.type], ['rate_limit_exceeded', 'rate_limit_error']);
  assert.match(
    error.message,
    /^The limit requestsPerMinute \(2\) of the API key "web" is reached\. Try again in \d+s|1m/,
  );
  assert.equal(upstream.seen.length, 2);
  assert.equal((await ask(chat, { authorization: `Bearer ${FREE}` })).status, 200);
  const row = (await gateway.exchanges(4)).find(({ status }) => status === 429);
  assert.deepEqual(
    [row?.outcome, row?.end_reason, row?.key, row?.attempts],
    ['rejected', 'rate_limited', 'web', 0],
  );
});

test('tokens are reserved before a request is sent, and settled with what was used', async (t) => {
  // 12 tokens are used; 500 are reserved for the answer.
  const { upstream, ask } = await startLimited(t, { tokensPerMinute: 600, requestsPerMinute: 100 });
  const long = { ...chat, max_tokens: 500 };
  for (let count = 0; count < 5; count++) {
    const answer = await ask(long);
    assert.equal(answer.status, 200, `request ${count}`);
    assert.ok(Number(answer.headers.get('x-ratelimit-remaining-tokens')) < 100, 'reserved while it is sent');
  }
  const tooLarge = await ask({ ...chat, max_tokens: 601 });
  assert.equal(tooLarge.status, 429);
  assert.equal(tooLarge.headers.get('x-should-retry'), 'false');
  assert.equal(tooLarge.headers.get('retry-after'), null);
  assert.match(
    (await errorOf(tooLarge)).message,
    /tokensPerMinute \(600\) .* too small for this request, which may need 6\d\d tokens/,
  );
  const notNow = await ask({ ...chat, max_tokens: 580 });
  assert.equal(notNow.status, 429);
  assert.ok(Number(notNow.headers.get('retry-after')) > 50);
  assert.equal(notNow.headers.get('x-ratelimit-remaining-requests'), '95', 'and it took no request');
  assert.equal(upstream.seen.length, 5);
});

test('what a budget refuses takes nothing from the limits', async (t) => {
  const models = { 'test-model': { price: { input: 1, output: 1 } } };
  const upstream = await startUpstream(t, json());
  const { gateway, ask } = await startLimited(t, {}, json(), {
    keys: [
      {
        name: 'web',
        key: KEY,
        limits: { requestsPerMinute: 10, tokensPerMinute: 1000, concurrency: 1 },
        budget: { usd: 0.000_000_001, per: 'day' },
      },
    ],
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url, models } },
  });
  for (let count = 0; count < 3; count++) {
    const refused = await ask({ ...chat, max_tokens: 500 });
    assert.equal((await errorOf(refused)).code, 'budget_exceeded');
    const { headers } = refused;
    assert.equal(headers.get('x-ratelimit-remaining-requests'), '10');
    assert.equal(headers.get('x-ratelimit-remaining-tokens'), '1000');
    await gateway.exchanges(count + 1);
  }
  assert.equal(upstream.seen.length, 0);
});

test('limits that change while a request is under way hold for what comes after it', async (t) => {
  let answer = (): void => {};
  const { gateway, upstream } = await startLimited(
    t,
    {},
    (response, seen, request) => {
      answer = () => json()(response, seen, request);
    },
    { keys: [{ name: 'root', key: KEY, scopes: ['admin'] }] },
  );
  const change = async (method: string, path: string, body: object) => {
    const headers = { ...bearer, 'content-type': 'application/json' };
    const response = await fetch(gateway.url + path, { method, headers, body: JSON.stringify(body) });
    return JSON.parse(await response.text());
  };
  const limits = { requests_per_minute: 100 };
  const { key } = await change('POST', '/admin/keys', { name: 'team', limits });
  const ask = () => post(`${gateway.url}/v1/chat/completions`, chat, { authorization: `Bearer ${key}` });
  const slow = ask();
  while (upstream.seen.length === 0) await new Promise(setImmediate);
  upstream.script(json());
  await change('PATCH', '/admin/keys/team', { limits: { requests_per_day: 3 } });
  assert.deepEqual([(await ask()).status, (await ask()).status], [200, 200]);
  answer();
  assert.equal((await slow).headers.get('x-ratelimit-limit-requests'), '3');
  assert.deepEqual([(await ask()).status, (await ask()).status], [200, 429]);
});

test('a place is given back on every path', async (t) => {
  const { gateway, upstream, ask } = await startLimited(t, { concurrency: 1 });
  const settled = async (rows: number): Promise<Row[]> => gateway.exchanges(rows);
  let rows = 0;
  const under = async (script: Script, body: object = chat): Promise<void> => {
    upstream.script(script);
    await (await ask(body)).arrayBuffer();
  };
  const paths: [string, () => Promise<unknown>][] = [
    ['an answer', () => under(json())],
    ['a stream', () => under(sse(), { ...chat, stream: true })],
    ['an error of the upstream', () => under(failing(500, 'x'))],
    ['a body that is no JSON', async () => (await ask('{')).arrayBuffer()],
    ['an unknown model', () => under(json(), { ...chat, model: 'x/y' })],
    ['a client that leaves before the answer', () => leave(() => {})],
    [
      'a client that leaves within the stream',
      () => leave(sseThenHang([roleChunk, chunk({ content: 'a' })])),
    ],
    ['a reset', () => under((_response, _seen, request) => request.socket.resetAndDestroy())],
  ];
  async function leave(script: Script): Promise<void> {
    upstream.script(script);
    const before = upstream.seen.length;
    const { outgoing, response } = rawPost(
      `${gateway.url}/v1/chat/completions`,
      JSON.stringify({ ...chat, stream: true }),
      bearer,
    );
    outgoing.on('error', () => {});
    if (script.length === 0) {
      while (upstream.seen.length === before) await new Promise(setImmediate);
    } else {
      const [first] = await once(await response, 'data');
      assert.ok(first);
    }
    outgoing.destroy();
  }
  for (const [path, run] of paths) {
    await run();
    await settled(++rows);
    upstream.script(json());
    assert.equal((await ask()).status, 200, `after ${path}`);
    await settled(++rows);
  }
});

test('of many requests at once exactly as many are let in as there are places', async (t) => {
  const waiting: (() => void)[] = [];
  const { upstream, ask } = await startLimited(
    t,
    { concurrency: 5, requestsPerMinute: 100 },
    (response, seen, request) => {
      waiting.push(() => json()(response, seen, request));
    },
  );
  const answers = Array.from({ length: 40 }, () => ask());
  const refused = Promise.all(answers.map(async (answer) => (await answer).status === 429)).then(
    (all) => all.filter(Boolean).length,
  );
  while (upstream.seen.length < 5) await new Promise(setImmediate);
  // The other 35 are answered without those five.
  let early = 0;
  for (const answer of answers) void answer.then(() => early++);
  while (early < 35) await new Promise(setImmediate);
  assert.equal(upstream.seen.length, 5);
  for (const go of waiting) go();
  assert.equal(await refused, 35);
  const after = ask();
  while (waiting.length < 6) await new Promise(setImmediate);
  waiting[5]?.();
  assert.equal((await after).headers.get('x-ratelimit-remaining-requests'), '94', 'those refused took none');
});

test('the official client waits as long as retry-after says, and then succeeds', async (t) => {
  let release = (): void => {};
  const { gateway, upstream, ask } = await startLimited(
    t,
    { concurrency: 1 },
    (response, seen, request) => {
      release = () => json()(response, seen, request);
    },
    {
      host: (app) => {
        app.addHook('onRequest', async () => void arrivals.push(performance.now()));
        app.addHook(
          'onSend',
          async (_request, reply) => void answers.push([reply.statusCode, reply.getHeader('retry-after')]),
        );
      },
    },
  );
  const arrivals: number[] = [];
  const answers: [number, unknown][] = [];
  const held = ask();
  while (upstream.seen.length === 0) await new Promise(setImmediate);
  upstream.script(json());
  const client = new OpenAI({ apiKey: KEY, baseURL: `${gateway.url}/v1`, maxRetries: 1 });
  const completion = client.chat.completions.create({
    model: chat.model,
    messages: [{ role: 'user', content: 'Hi' }],
  });
  while (answers.length === 0) await new Promise(setImmediate);
  assert.deepEqual(answers, [[429, '1']]);
  release();
  await (await held).arrayBuffer();
  assert.equal((await completion).choices[0]?.message.content, 'Hello there');
  const [, refused = 0, again = 0] = arrivals;
  assert.equal(arrivals.length, 3);
  // Its own backoff would have been at most half a second.
  assert.ok(again - refused >= 1000, `${again - refused} ms`);
});

test('the official client neither sleeps for hours nor repeats what only another day allows', async (t) => {
  const { gateway, ask } = await startLimited(t, { requestsPerDay: 1 });
  await (await ask()).arrayBuffer();
  const client = new OpenAI({ apiKey: KEY, baseURL: `${gateway.url}/v1`, maxRetries: 3 });
  const messages = [{ role: 'user' as const, content: 'Hi' }];
  await assert.rejects(
    client.chat.completions.create({ model: chat.model, messages }, { signal: AbortSignal.timeout(20_000) }),
    (error) => error instanceof OpenAI.RateLimitError && Number(error.headers.get('retry-after')) > 80_000,
  );
  assert.equal((await gateway.exchanges(2)).length, 2);
});

test('the official client does not repeat what can never fit', async (t) => {
  const { gateway } = await startLimited(t, { tokensPerMinute: 50 });
  const client = new OpenAI({ apiKey: KEY, baseURL: `${gateway.url}/v1`, maxRetries: 3 });
  await assert.rejects(
    client.chat.completions.create({
      model: chat.model,
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 100,
    }),
    (error) => error instanceof OpenAI.RateLimitError && error.code === 'rate_limit_exceeded',
  );
  assert.equal((await gateway.exchanges(1)).length, 1);
});
