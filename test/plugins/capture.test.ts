import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ExchangeDetail, StoredPayload } from '../../src/db/answers.js';
import {
  chat,
  post,
  rawPost,
  readRows,
  type Setup,
  startGateway,
  temporaryFolder,
} from '../helpers/gateway.js';
import { type Script, startUpstream } from '../helpers/upstream.js';

const answer =
  '{"id":"a", "object":"chat.completion","choices":[{"index":0,"message":{"content":"Hi"}}],"n":1.0}';
const json =
  (status: number, body: string): Script =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  };
const chunk = (content: string, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`;
const usageChunk = `data: ${JSON.stringify({ id: 'c', choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } })}\n\n`;
const stream: Script = (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(`${chunk('Hel')}${chunk('lo', 'stop')}${usageChunk}data: [DONE]\n\n`);
};

/** The payloads in the detail of an exchange. */
async function payloadsIn(response: Response) {
  const detail: ExchangeDetail = JSON.parse(await response.text());
  return detail.payloads;
}

type Database = Exclude<NonNullable<Setup['database']>, false>;

async function start(t: TestContext, script: Script, database: Database, more: Partial<Setup> = {}) {
  const upstream = await startUpstream(t, script);
  const gateway = await startGateway(t, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: 'provider-key-0123456789' },
    },
    database: { path: ':memory:', ...database },
    ...more,
  });
  return {
    url: gateway.url,
    upstream,
    async payloads(response: Pick<Response, 'headers'>) {
      const id = response.headers.get('x-request-id');
      return payloadsIn(await fetch(`${gateway.url}/exchanges/${id}`));
    },
  };
}

test('the very bytes of request and answer are in the detail of an exchange', async (t) => {
  const { url, payloads } = await start(t, json(200, answer), { capture: 'all' });
  const sent =
    '{"model": "main/m",\n "messages": [ {"role":"user", "content":"Grüße"} ], "seed": 9007199254740993}';
  const response = await post(`${url}/v1/chat/completions`, sent);
  await response.text();
  const { request, response: answered, events } = await payloads(response);
  assert.deepEqual(request, {
    encoding: 'text',
    body: sent,
    bytes: Buffer.byteLength(sent),
    truncated: false,
  });
  assert.deepEqual(answered, { encoding: 'text', body: answer, bytes: answer.length, truncated: false });
  assert.equal(events, null);
});

test('a stream is stored as the answer it made up, with the usage its client did not ask for', async (t) => {
  const { url, payloads } = await start(t, stream, { capture: 'all', captureEvents: true });
  const response = await post(`${url}/v1/chat/completions`, { ...chat, stream: true });
  assert.doesNotMatch(await response.text(), /usage/);
  const { response: answered, events } = await payloads(response);
  const body = JSON.parse(answered?.body ?? '');
  assert.equal(body.choices[0].message.content, 'Hello');
  assert.equal(body.choices[0].finish_reason, 'stop');
  assert.deepEqual(body.usage, { prompt_tokens: 1, completion_tokens: 2 });
  assert.match(events?.body ?? '', /^data: .*Hel.*\n\ndata: /);
});

test('with errors, only what did not end well is stored: the failure, and the request that caused it', async (t) => {
  const { url, upstream, payloads } = await start(t, json(200, answer), { capture: 'errors' });
  const good = await post(`${url}/v1/chat/completions`, chat);
  const none = { request: null, response: null, events: null };
  assert.deepEqual(await payloads(good), none);

  upstream.script(json(400, '{"error":{"message":"bad"}}'));
  const bad = await payloads(await post(`${url}/v1/chat/completions`, chat));
  assert.equal(bad.response?.body, '{"error":{"message":"bad"}}');
  assert.equal(bad.request?.body, JSON.stringify(chat));

  const invalid = await payloads(await post(`${url}/v1/chat/completions`, '{"model":"x","messages":'));
  assert.equal(invalid.request?.body, '{"model":"x","messages":');
  assert.equal(invalid.response, null);
});

test('of several tries only the answer of the last is stored', async (t) => {
  const { url, upstream, payloads } = await start(
    t,
    (response) => response.destroy(),
    { capture: 'all' },
    {
      routes: { both: { targets: ['main/first', 'main/second'] } },
    },
  );
  let tries = 0;
  upstream.script((...given) =>
    (tries++ === 0 ? json(500, '{"error":{"message":"first"}}') : stream)(...given),
  );
  const response = await post(`${url}/v1/chat/completions`, { ...chat, model: 'both', stream: true });
  await response.text();
  assert.match((await payloads(response)).response?.body ?? '', /Hello/);
  tries = 0;
  upstream.script((...given) => {
    if (tries++ === 0) json(500, '{"error":{"message":"first"}}')(...given);
    else given[0].destroy();
  });
  const failed = await post(`${url}/v1/chat/completions`, { ...chat, model: 'both' });
  assert.equal(failed.status, 502);
  assert.equal((await payloads(failed)).response, null);
});

test('of a stream whose client left, what had come is stored', async (t) => {
  const { url, payloads } = await start(
    t,
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk('Hel'));
    },
    { capture: 'errors' },
  );
  const { outgoing, response } = rawPost(
    `${url}/v1/chat/completions`,
    JSON.stringify({ ...chat, stream: true }),
  );
  const answered = await response;
  await new Promise((resolve) => answered.once('data', resolve));
  outgoing.on('error', () => {});
  outgoing.destroy();
  const headers = new Headers({ 'x-request-id': String(answered.headers['x-request-id']) });
  const deadline = Date.now() + 5000;
  let stored: StoredPayload | null = null;
  while (stored === null && Date.now() < deadline) stored = (await payloads({ headers }))?.response ?? null;
  assert.match(stored?.body ?? '', /Hel/);
});

test('routes and keys say otherwise, and what is not to be stored is not', async (t) => {
  const keys = [
    { name: 'plain', key: 'plain-key-0123456789', scopes: ['proxy', 'read'] as const },
    {
      name: 'quiet',
      key: 'quiet-key-0123456789',
      scopes: ['proxy', 'read'] as const,
      capture: 'none' as const,
    },
  ];
  const { url } = await start(
    t,
    json(200, answer),
    { capture: 'none', redact: ['messages.*.content'] },
    {
      keys: keys.map((key) => ({ ...key, scopes: [...key.scopes] })),
      routes: { watched: { targets: ['main/m'], capture: 'all' } },
    },
  );
  const stored = async (key: string, model: string) => {
    const authorization = `Bearer ${key}-key-0123456789`;
    const body = {
      model,
      messages: [{ role: 'user', content: 'private' }],
      note: `my key ${key}-key-0123456789`,
    };
    const response = await post(`${url}/v1/chat/completions`, body, { authorization });
    const id = response.headers.get('x-request-id');
    const { request } = await payloadsIn(
      await fetch(`${url}/exchanges/${id}`, { headers: { authorization } }),
    );
    return request?.body ?? null;
  };
  assert.equal(await stored('plain', 'main/m'), null);
  assert.equal(await stored('quiet', 'watched'), null);
  const body = JSON.parse((await stored('plain', 'watched')) ?? '');
  assert.equal(body.messages[0].content, '[redacted]');
  assert.equal(body.note, 'my key [redacted]');
});

test('removing an exchange removes its bodies', async (t) => {
  const path = join(temporaryFolder(), 'gateway.db');
  const gateway = await startGateway(t, {
    providers: { main: { type: 'echo', models: { 'test-model': {} } } },
    database: { path, capture: 'all' },
  });
  const response = await post(`${gateway.url}/v1/chat/completions`, chat);
  await response.text();
  const url = `${gateway.url}/exchanges/${response.headers.get('x-request-id')}`;
  assert.ok((await payloadsIn(await fetch(url))).request);
  assert.equal((await fetch(url, { method: 'DELETE' })).status, 204);
  assert.deepEqual(readRows(path, 'select * from capture_pieces'), []);
});

test('a large body is stored up to maxPayload and marked', async (t) => {
  const { url, payloads } = await start(t, json(200, answer), { capture: 'all', maxPayload: '2kB' });
  const sent = JSON.stringify({ ...chat, pad: 'x'.repeat(100_000) });
  const response = await post(`${url}/v1/chat/completions`, sent);
  const { request } = await payloads(response);
  assert.deepEqual([request?.body.length, request?.bytes, request?.truncated], [2000, sent.length, true]);
});
