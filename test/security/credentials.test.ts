import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { parseConfig } from '../../src/config.js';
import { createKeyring } from '../../src/keyring.js';
import { chat, errorOf, post, startGateway } from '../helpers/gateway.js';
import { rawExchange, statusesOf } from '../helpers/raw.js';
import { chatLength, chatText } from './fixture.js';

const names = ['first', 'second', 'third'];
const keys = names.map((name) => ({ name, key: `${name}-key-0123456789` }));

test('a key is compared with every key, as digests of one length, whichever it is', (t) => {
  const lengths: number[] = [];
  const original = crypto.timingSafeEqual;
  const mocked = t.mock.method(
    crypto,
    'timingSafeEqual',
    (a: NodeJS.ArrayBufferView, b: NodeJS.ArrayBufferView) => {
      lengths.push(a.byteLength, b.byteLength);
      return original(a, b);
    },
  );
  syncBuiltinESMExports();
  t.after(syncBuiltinESMExports);
  t.after(() => mocked.mock.restore());
  const keyring = createKeyring(parseConfig({ keys }, {}).keys);
  const presented = [
    ...keys.map(({ key }) => key),
    'x',
    '',
    'first-key-012345678',
    'k'.repeat(10_000),
    'ключ',
  ];
  for (const key of presented) {
    lengths.length = 0;
    const known = keys.find((each) => each.key === key)?.name ?? null;
    assert.equal(keyring.find(key)?.caller.name ?? null, known);
    assert.deepEqual(lengths, [32, 32, 32, 32, 32, 32], key.slice(0, 20));
  }
});

test('nothing but the key itself is taken for it', async (t) => {
  const gateway = await startGateway(t, { providers: { e: { type: 'echo' } }, keys });
  const key = keys[0]?.key ?? '';
  const wrong = [
    [`authorization: ${key}`],
    [`authorization: Basic ${Buffer.from(`:${key}`).toString('base64')}`],
    [`authorization: Bearer ${key} `.replace('-', '_')],
    [`authorization: Bearer ${key.toUpperCase()}`],
    [`authorization: Bearer ${key.slice(0, -1)}`],
    [`authorization: Bearer ${key}x`],
    [`authorization: Bearer ${key}, Bearer ${key}`],
    [`authorization: Bearer ${encodeURIComponent(key)}%00`],
    [`authorization: Bearer${key}`],
    ['authorization: Bearer'],
    ['authorization: Bearer *'],
    ['authorization: Bearer first'],
    ['authorization: Bearer __proto__'],
    [`x-api-key: ${key}`, `x-api-key: ${key}`],
    [`x-api-key: wrong`, `authorization: Bearer ${key}`],
    [`cookie: authorization=Bearer ${key}`],
    [`proxy-authorization: Bearer ${key}`],
    [`api-key: ${key}`],
  ];
  for (const lines of wrong) {
    assert.deepEqual(
      statusesOf(await rawExchange(gateway.url, chatText([...lines, chatLength]))),
      [401],
      lines.join(),
    );
  }
  for (const query of [`?key=${key}`, `?api_key=${key}`, `?authorization=Bearer%20${key}`]) {
    assert.equal((await post(`${gateway.url}/v1/chat/completions${query}`, chat)).status, 401);
  }
  const right = chatText([`authorization: bearer  ${key}`, chatLength]);
  assert.deepEqual(statusesOf(await rawExchange(gateway.url, right)), [404], 'known, and test-model is not');
});

test('an unknown caller learns nothing: not what there is, nor how close it was', async (t) => {
  const gateway = await startGateway(t, { providers: { hidden: { type: 'echo' } }, keys });
  const seen = new Set<string>();
  for (const key of ['x', 'first-key-012345678', 'second-key-0123456788', 'f'.repeat(2000)]) {
    for (const path of ['/v1/models', '/v1/nothing', '/stats', '/exchanges', '/nowhere']) {
      const answer = await fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${key}` } });
      assert.equal(answer.status, 401, path);
      seen.add((await errorOf(answer)).message);
    }
  }
  assert.deepEqual([...seen], ['The API key is not valid.']);
});

test('a key that only proxies reads nothing about the providers, and one that reads sends nothing', async (t) => {
  const gateway = await startGateway(t, {
    providers: { e: { type: 'echo' } },
    keys: [...keys, { name: 'ops', key: 'ops-key-0123456789', scopes: ['read'] }],
  });
  const as = (name: string) => ({ authorization: `Bearer ${name}-key-0123456789` });
  for (const path of ['/stats/availability', '/explain']) {
    const method = path === '/explain' ? 'POST' : 'GET';
    const body = method === 'POST' ? { body: JSON.stringify(chat) } : {};
    const headers = { ...as('first'), ...(method === 'POST' && { 'content-type': 'application/json' }) };
    assert.equal((await fetch(`${gateway.url}${path}`, { method, headers, ...body })).status, 403, path);
  }
  for (const path of ['/v1/chat/completions', '/v1/files', '/v1/embeddings']) {
    assert.equal((await post(`${gateway.url}${path}`, chat, as('ops'))).status, 403, path);
  }
});

test('a page of another site gets no permission from a gateway without keys', async (t) => {
  const gateway = await startGateway(t, { providers: { e: { type: 'echo' } } });
  const preflight = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'OPTIONS',
    headers: { origin: 'http://evil.example', 'access-control-request-method': 'POST' },
  });
  assert.ok(preflight.status >= 400);
  assert.equal(preflight.headers.get('access-control-allow-origin'), null);
  // What a form or a script without permission may send is no JSON.
  const simple = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'text/plain', origin: 'http://evil.example' },
    body: JSON.stringify({ ...chat, model: 'echo' }),
  });
  assert.equal(simple.status, 415);
});
