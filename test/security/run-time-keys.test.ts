import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import gateway from '../../src/index.js';
import { chat, post, temporaryFolder } from '../helpers/gateway.js';
import { json, type Script, startUpstream } from '../helpers/upstream.js';
import { assertClean, whole } from './canary.js';

const ROOT = 'root-key-0123456789';
const OPS = 'ops-key-0123456789';

/** A gateway that keeps every body, and everything that it writes into its log. */
async function setUp(t: TestContext, script: Script = json()) {
  const upstream = await startUpstream(t, script);
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const app = Fastify({ logger: { level: 'trace', stream }, forceCloseConnections: true });
  const path = join(temporaryFolder(), 'gateway.db');
  const price = { input: 1, output: 2 };
  app.register(gateway, {
    database: { path, capture: 'all' },
    keys: [
      { name: 'root', key: ROOT, scopes: ['admin'] },
      { name: 'ops', key: OPS, scopes: ['read'] },
    ],
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url, models: { 'test-model': { price } } },
    },
    passthroughProvider: 'main',
  });
  t.after(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const call = async (key: string, method: string, path: string, body?: unknown) => {
    const sent = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...sent },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return { status: response.status, text: await whole(response) };
  };
  const create = async (name: string, terms: object = {}): Promise<string> => {
    const headers = { authorization: `Bearer ${ROOT}` };
    const response = await post(`${url}/admin/keys`, { name, ...terms }, headers);
    assert.equal(response.status, 201);
    return JSON.parse(await response.text()).key;
  };
  const ask = async (key: string, body: object = chat) => {
    const headers = { authorization: `Bearer ${key}`, 'x-session-id': 'talk' };
    const response = await post(`${url}/v1/chat/completions`, body, headers);
    await response.text();
    return response;
  };
  return { app, upstream, url, path, lines, call, create, ask };
}

test('what is sent for a key that was created at run time is found nowhere', async (t) => {
  const { app, lines, path, call, create, ask } = await setUp(t);
  const first = await create('web', { scopes: ['proxy', 'read'] });
  const rotated = await call(ROOT, 'POST', '/admin/keys/web/rotate', {});
  const second = /gw-[0-9a-z]{8}-[A-Za-z0-9_-]{43}/.exec(rotated.text)?.[0] ?? '';
  assert.notEqual(second, '');
  const secrets = [first, second];
  // Somebody pastes it into a prompt, a model, a policy, a URL.
  for (const key of secrets) {
    const messages = [{ role: 'user', content: `My key is ${key}, why does it fail?` }];
    assert.equal((await ask(key, { ...chat, messages })).status, 200);
    assert.equal((await call(`${key.slice(0, -1)}!`, 'GET', '/stats')).status, 401);
  }
  await call(ROOT, 'DELETE', '/admin/keys/web');
  for (const key of secrets) assertClean('a refusal', (await call(key, 'GET', '/stats')).text, secrets);
  const ids = /"id":"([0-9a-f-]{36})"/.exec((await call(OPS, 'GET', '/exchanges?key=web')).text) ?? [];
  const pages = ['/admin/keys', '/admin/keys/web', '/admin/budgets'].map((page) => call(ROOT, 'GET', page));
  for (const page of ['/exchanges', `/exchanges/${ids[1]}`, '/exchanges/export', '/stats/keys', '/sessions'])
    pages.push(call(OPS, 'GET', page));
  for (const { status, text } of await Promise.all(pages)) {
    assert.equal(status, 200);
    assertClean('a page', text, secrets);
  }
  await app.close();
  assertClean('the log', lines.join(''), secrets);
  for (const file of readdirSync(dirname(path))) {
    assertClean(file, readFileSync(join(dirname(path), file), 'latin1'), secrets);
  }
});

test('no way of asking shows a key the records of another', async (t) => {
  const { call, create, ask } = await setUp(t);
  const [mine, others] = [await create('mine'), await create('others')];
  const foreign: string[] = [];
  for (let times = 0; times < 3; times++) foreign.push((await ask(others)).headers.get('x-request-id') ?? '');
  const own = (await ask(mine)).headers.get('x-request-id') ?? '';
  const theirs = await call(OPS, 'GET', '/exchanges?limit=1');
  const cursor = /"next_cursor":"([^"]+)"/.exec(theirs.text)?.[1];
  assert.ok(cursor);
  const asked = [
    '/exchanges?key=others',
    '/exchanges?key=others&key=mine',
    '/exchanges?key[]=others',
    '/exchanges?key=',
    '/exchanges?KEY=others',
    '/exchanges?key%00=others',
    '/exchanges?__proto__[key]=others',
    '/exchanges?session=talk',
    `/exchanges?cursor=${cursor}`,
    '/exchanges/export?key=others',
    '/exchanges/export?format=csv&key=others',
    '/stats?key=others',
    '/stats?group_by=key',
    '/stats/keys?key=others',
    '/stats/sessions',
    '/sessions?key=others',
    '/sessions/talk',
    '/sessions/talk?key=others',
    '/sessions/talk?key=',
    '/sessions/TALK',
  ];
  for (const path of asked) {
    for (const method of ['GET', 'HEAD']) {
      const { status, text } = await call(mine, method, path);
      assert.ok([200, 400, 404].includes(status), `${method} ${path} ${status}`);
      for (const id of foreign) assert.ok(!text.includes(id), `${path} shows an exchange of another key`);
      assert.ok(!/"exchanges":[2-9]/.test(text), `${path} counts others`);
      assert.ok(!text.includes('"others"'), `${path} names another key`);
    }
  }
  for (const id of foreign) assert.equal((await call(mine, 'GET', `/exchanges/${id}`)).status, 404);
  assert.equal((await call(mine, 'GET', `/exchanges/${own}`)).status, 200);
  // Neither who proxies nor who reads may remove anything, nor learn whether it is there.
  for (const key of [mine, OPS]) {
    for (const path of [
      `/exchanges/${own}`,
      `/exchanges/${foreign[0]}`,
      '/exchanges/none',
      '/sessions/talk',
    ]) {
      assert.equal((await call(key, 'DELETE', path)).status, 403, path);
    }
  }
});

test('names and bodies for keys that are meant to harm are names, or refused', async (t) => {
  const { call, create, ask } = await setUp(t);
  for (const name of [
    '__proto__',
    'constructor',
    'toString',
    '../../root',
    'größe/ключ',
    '%2e%2e',
    'a\u202eb',
  ]) {
    const key = await create(name, { limits: { requests_per_minute: 1 } });
    assert.deepEqual([(await ask(key)).status, (await ask(key)).status], [200, 429], name);
    assert.equal((await call(ROOT, 'GET', `/admin/keys/${encodeURIComponent(name)}`)).status, 200, name);
    assert.equal((await call(ROOT, 'DELETE', `/admin/keys/${encodeURIComponent(name)}`)).status, 200, name);
    assert.equal((await ask(key)).status, 401, name);
  }
  const bodies = [
    '{"name":"x","__proto__":{"scopes":["admin"]}}',
    '{"name":"x","scopes":["proxy"],"constructor":{"prototype":{"scopes":["admin"]}}}',
    '{"name":"x","id":"mine","key":"gw-00000000-0000000000000000000000000000000000000000000"}',
    '{"name":"x","budget":{"usd":-1,"per":"day"}}',
    '{"name":"x","budget":{"usd":1e999,"per":"day"}}',
    '{"name":"x","budget":{"usd":"1","per":"day"}}',
    '{"name":"x","limits":{"requests_per_minute":0}}',
    '{"name":"x","limits":{"requests_per_minute":1.5}}',
    '{"name":"x","limits":{"requests_per_minute":1e999}}',
    '{"name":"x","expires_at":"+275760-09-13"}',
    '{"name":""}',
    '{"name":"a\\nb"}',
    `{"name":"${'x'.repeat(129)}"}`,
    `{"name":"x","tags":["${'x'.repeat(100_000)}"]}`,
  ];
  for (const body of bodies) {
    const { status } = await call(ROOT, 'POST', '/admin/keys', body);
    assert.ok(status === 400 || status === 413, body.slice(0, 100));
  }
  assert.equal((await call(ROOT, 'GET', '/admin/keys/x')).status, 404);
  assert.equal(Object.hasOwn(Object.prototype, 'scopes'), false);
});

test('nobody gives themselves more than they have', async (t) => {
  const { call, create } = await setUp(t);
  const keys = [await create('web'), OPS, await create('both', { scopes: ['proxy', 'read'] })];
  for (const key of keys) {
    for (const [method, path, body] of [
      ['POST', '/admin/keys', { name: 'x', scopes: ['admin'] }],
      ['PATCH', '/admin/keys/web', { scopes: ['admin'] }],
      ['POST', '/admin/keys/root/rotate', {}],
      ['DELETE', '/admin/keys/web', undefined],
      ['GET', '/admin/keys', undefined],
      ['GET', '//admin/keys', undefined],
      ['GET', '/admin/keys/', undefined],
    ] as const) {
      assert.ok((await call(key, method, path, body)).status >= 403, `${method} ${path}`);
    }
  }
});

test('there is no way around a hard budget', async (t) => {
  const { create, call, upstream, url } = await setUp(t);
  const key = await create('web', { budget: { usd: 0.000_001, per: 'total' } });
  const statuses: [body: object, status: number][] = [
    [{ ...chat, max_tokens: 1 }, 429],
    [{ ...chat, max_tokens: 1e15 }, 429],
    [{ ...chat, max_tokens: -1 }, 429],
    [{ ...chat, max_tokens: '1' }, 429],
    [{ ...chat, max_completion_tokens: 1, max_tokens: 100_000 }, 429],
    [{ ...chat, n: 1_000_000_000 }, 429],
    [{ ...chat, model: 'main/never-heard-of' }, 404],
  ];
  for (const [body, status] of statuses)
    assert.equal(
      (await call(key, 'POST', '/v1/chat/completions', body)).status,
      status,
      JSON.stringify(body),
    );
  const background = { model: 'main/test-model', input: 'Hi', background: true };
  assert.equal((await call(key, 'POST', '/v1/responses', background)).status, 429);
  for (const [method, path] of [
    ['POST', '/v1/batches'],
    ['POST', '/v1/files'],
    ['PUT', '/v1/chat/completions'],
    ['PATCH', '/v1/anything'],
  ] as const) {
    assert.equal((await call(key, method, path, {})).status, 403, path);
  }
  assert.equal(upstream.seen.length, 0);
  // What asks for another protocol is an ordinary request.
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  t.after(() => socket.destroy());
  const head = [`GET /v1/realtime HTTP/1.1`, 'host: x', `authorization: Bearer ${key}`];
  socket.write([...head, 'connection: upgrade', 'upgrade: websocket', '', ''].join('\r\n'));
  const answer = String(await new Promise((resolve) => socket.once('data', resolve)));
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.deepEqual(
    upstream.seen.map(({ headers }) => headers.upgrade),
    [undefined],
  );
});

test('a key that is revoked while it is in use finishes what it has begun, and begins nothing', async (t) => {
  let answer = (): void => {};
  const { call, create, ask, upstream } = await setUp(t, (response, seen, request) => {
    answer = () => json()(response, seen, request);
  });
  const key = await create('web', { budget: { usd: 1, per: 'day' }, limits: { concurrency: 1 } });
  const open = ask(key);
  while (upstream.seen.length === 0) await new Promise(setImmediate);
  await call(ROOT, 'DELETE', '/admin/keys/web');
  assert.equal((await ask(key)).status, 401);
  answer();
  assert.equal((await open).status, 200);
  assert.match((await call(OPS, 'GET', '/exchanges?key=web')).text, /"cost_usd":0\.000014/);
});
