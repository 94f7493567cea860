import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, errorOf, post } from '../helpers/gateway.js';
import { rawExchange, statusesOf } from '../helpers/raw.js';
import { json, startUpstream } from '../helpers/upstream.js';
import { chatLength, openGateway, requestText } from './fixture.js';

const BODY = JSON.stringify(chat);

const leaving = [
  '/v1/../admin',
  '/v1/files/../../admin',
  '/v1/%2e%2e/admin',
  '/v1/%2E%2E%2Fadmin',
  '/v1/%252e%252e/admin',
  '/v1/%25252525252e%25252525252e/admin',
  '/v1/..%5cadmin',
  '/v1/..\\admin',
  '/v1/..;/admin',
  '/v1/%2e%2e%3bx=1/admin',
  '/v1/files/%2e%2e%20/admin',
  '/v1/files%0d%0ax-injected:%201',
  '/v1/files%00.txt',
  '/v1/files/%zz',
  '/v1/files/%c0%ae%c0%ae/admin',
];

for (const path of leaving) {
  test(`the path ${path} leads to no provider`, async (t) => {
    const { gateway, upstream } = await openGateway(t);
    const [status, ...more] = statusesOf(await rawExchange(gateway.url, requestText(`GET /ai${path}`)));
    assert.ok(status === 400 || status === 404, `${status}`);
    assert.deepEqual([more, upstream.seen.length], [[], 0]);
  });
}

const spellings = [
  '/v1//chat/completions',
  '/v1/chat/completions/',
  '/v1/chat%2Fcompletions',
  '/v1/chat%252fcompletions',
  '/v1/Chat/Completions',
  '/v1/chat\\completions',
  '/v1/chat/completions;x=1',
  '/v1/./chat/completions',
];

for (const path of spellings) {
  test(`a chat sent to ${path} does not get past what is decided by its model`, async (t) => {
    const { gateway, upstream } = await openGateway(t);
    const answer = await rawExchange(gateway.url, requestText(`POST /ai${path}`, [chatLength], BODY));
    assert.deepEqual(statusesOf(answer), [400]);
    assert.equal(upstream.seen.length, 0);
  });
}

test('a percent-encoded letter is the letter, and the exchange is measured like any other', async (t) => {
  const { gateway } = await openGateway(t);
  await rawExchange(gateway.url, requestText('POST /ai/v1/ch%61t/completions', [chatLength], BODY));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.model, row?.output_text_tokens], ['test-model', 2]);
});

test('no part of a request chooses the server that it is sent to', async (t) => {
  const evil = await startUpstream(t, json());
  const host = new URL(evil.url).host;
  const { gateway, upstream } = await openGateway(t, { anonymous: 'anywhere' });
  const targets = [
    `GET http://${host}/ai/v1/files`,
    `GET http://user@${host}/ai/v1/files`,
    `GET /ai/v1//${host}/v1/files`,
    `GET /ai/v1/@${host}/v1/files`,
    `GET /ai/v1/http://${host}/v1/files`,
    `GET /ai/v1/\\${host}\\v1\\files`,
    `GET /ai/v1/files?base_url=http://${host}/v1`,
  ];
  const headers = [
    `host: ${host}`,
    `x-forwarded-host: ${host}`,
    `x-host: ${host}`,
    `x-original-url: http://${host}/v1`,
    `x-gateway-base-url: http://${host}/v1`,
    `forwarded: host=${host}`,
  ];
  for (const line of targets) await rawExchange(gateway.url, requestText(line, headers));
  for (const provider of [`http://${host}/v1`, host, '__proto__', 'constructor', '../main', 'main ']) {
    await rawExchange(gateway.url, requestText('GET /ai/v1/files', [`x-gateway-provider: ${provider}`]));
  }
  const bodies = [
    { ...chat, model: `http://${host}/v1` },
    { ...chat, model: `openai/http://${host}/v1` },
    { ...chat, base_url: `http://${host}/v1`, api_base: `http://${host}/v1`, baseUrl: `http://${host}/v1` },
  ];
  for (const body of bodies) await (await post(`${gateway.url}/v1/chat/completions`, body)).arrayBuffer();
  assert.equal(evil.seen.length, 0);
  assert.equal(evil.sockets.size, 0);
  const own = new URL(upstream.url).host;
  assert.ok(upstream.seen.length > 0);
  for (const seen of upstream.seen) {
    assert.equal(seen.headers.host, own);
    for (const name of ['x-forwarded-host', 'x-host', 'x-original-url', 'forwarded', 'x-gateway-base-url']) {
      assert.equal(seen.headers[name], undefined, name);
    }
  }
  const [first, second] = upstream.seen;
  assert.deepEqual(
    [first?.url, second?.url],
    ['/v1/files', '/v1/files'],
    'the host of the request line is left out',
  );
  assert.equal((await gateway.exchanges(targets.length + 6 + bodies.length))[0]?.endpoint, '/v1/files');
});

test('a redirect of the provider is not followed, so its credential goes nowhere else', async (t) => {
  const evil = await startUpstream(t, json());
  const { gateway } = await openGateway(t, {}, (response) =>
    response.writeHead(307, { location: `${evil.url}/chat/completions` }).end(),
  );
  await (await post(`${gateway.url}/v1/chat/completions`, chat)).arrayBuffer();
  await (await fetch(`${gateway.url}/v1/files`, { redirect: 'manual' })).arrayBuffer();
  assert.equal(evil.seen.length, 0);
});

test('a method that no API has reaches nobody, nor does a tunnel', async (t) => {
  const { gateway, upstream } = await openGateway(t);
  for (const line of [
    'TRACE /ai/v1/files',
    'CONNECT evil.example:443',
    'OPTIONS /ai/v1/files',
    'PURGE /ai/v1/files',
  ]) {
    const [status = 400] = statusesOf(await rawExchange(gateway.url, requestText(line)));
    assert.ok(status >= 400 && status < 500, `${line}: ${status}`);
  }
  assert.equal(upstream.seen.length, 0);
});

test('a key that its policy keeps from some targets has no way past them', async (t) => {
  const KEY = 'policy-key-0123456789';
  const { gateway, upstream } = await openGateway(t, {
    keys: [{ name: 'web', key: KEY, policy: 'small' }],
    policies: { small: { deny: ['main/large*'] } },
  });
  const headers = { authorization: `Bearer ${KEY}` };
  const refused = [
    await post(`${gateway.url}/v1/batches`, { input_file_id: 'x' }, headers),
    await post(
      `${gateway.url}/v1/threads/runs`,
      { model: 'large' },
      { ...headers, 'x-gateway-provider': 'main' },
    ),
    await post(`${gateway.url}/v1/responses`, { input: 'Hi' }, headers),
  ];
  for (const answer of refused) {
    assert.deepEqual([answer.status, (await errorOf(answer)).code], [403, 'insufficient_permissions']);
  }
  const denied = await post(`${gateway.url}/v1/chat/completions`, { ...chat, model: 'main/large' }, headers);
  assert.ok(denied.status >= 400);
  assert.equal(upstream.seen.length, 0);
  assert.equal((await post(`${gateway.url}/v1/chat/completions`, chat, headers)).status, 200);
});
