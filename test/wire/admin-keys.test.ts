import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { PLAIN_RULES } from '../../src/db/payloads.js';
import type { SmallTasks } from '../../src/db/small-tasks.js';
import { createStore } from '../../src/db/store.js';
import { createKeys } from '../../src/keys/keys.js';
import { chat, post, type RunningGateway, readRows, type Setup, startGateway } from '../helpers/gateway.js';
import { json, startUpstream } from '../helpers/upstream.js';

const ADMIN = 'gw-admin-0123456789';
const READ = 'gw-read-0123456789';

async function setUp(t: TestContext, setup: Partial<Setup> = {}) {
  const upstream = await startUpstream(t, json());
  const gateway = await startGateway(t, {
    keys: [
      { name: 'root', key: ADMIN, scopes: ['admin'] },
      { name: 'ops', key: READ, scopes: ['read'] },
    ],
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    routes: { fast: { targets: ['main/test-model'] } },
    policies: { none: { deny: ['*'] } },
    ...setup,
  });
  return { upstream, gateway, call: caller(gateway) };
}

/** Calls an endpoint as somebody, with a body if there is one. */
function caller({ url }: RunningGateway) {
  return async (key: string, method: string, path: string, body?: unknown) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('application/json');
    return { status: response.status, text, json: isJson ? JSON.parse(text) : null };
  };
}

const ask = async ({ url }: RunningGateway, key: string, body: object = chat) => {
  const response = await post(`${url}/v1/chat/completions`, body, { authorization: `Bearer ${key}` });
  await response.text();
  return response;
};

test('a key is created, shown once, used, changed, rotated and revoked', async (t) => {
  const { gateway, call } = await setUp(t);
  const wanted = {
    name: 'web',
    models: ['main/*'],
    limits: { requests_per_minute: 60 },
    budget: { usd: 5, per: 'day' },
    tags: ['team-a'],
    expires_at: '2099-01-01',
  };
  const created = await call(ADMIN, 'POST', '/admin/keys', wanted);
  assert.equal(created.status, 201);
  const { key, id, created_at, ...rest } = created.json;
  assert.match(key, /^gw-[0-9a-z]{8}-[A-Za-z0-9_-]{43}$/);
  assert.ok(Date.now() - Date.parse(created_at) < 60_000);
  assert.deepEqual(rest, {
    name: 'web',
    source: 'database',
    scopes: ['proxy'],
    routes: null,
    models: ['main/*'],
    limits: { requests_per_minute: 60 },
    budget: { usd: 5, per: 'day', kind: 'hard' },
    policy: null,
    capture: null,
    tags: ['team-a'],
    created_by: 'root',
    expires_at: '2099-01-01T00:00:00.000Z',
    revoked_at: null,
    previous_until: null,
  });

  const listed = await call(ADMIN, 'GET', '/admin/keys');
  assert.deepEqual(
    listed.json.data.map(({ name, source }: { name: string; source: string }) => [name, source]),
    [
      ['root', 'configuration'],
      ['ops', 'configuration'],
      ['web', 'database'],
    ],
  );
  for (const secret of [key.slice(12), ADMIN, READ, 'hash']) assert.ok(!listed.text.includes(secret), secret);
  assert.equal((await call(ADMIN, 'GET', `/admin/keys/${id}`)).json.name, 'web');

  const unpriced = await ask(gateway, key);
  assert.equal(unpriced.status, 503, 'no target has a price, and the budget is hard');
  const changed = await call(ADMIN, 'PATCH', '/admin/keys/web', { budget: null, models: null, limits: null });
  assert.deepEqual([changed.json.budget, changed.json.models, changed.json.limits], [null, null, null]);
  assert.deepEqual(changed.json.tags, ['team-a']);
  assert.equal((await ask(gateway, key)).status, 200);
  await call(ADMIN, 'PATCH', '/admin/keys/web', { policy: 'none' });
  assert.equal((await ask(gateway, key)).status, 503, 'its policy holds at once');
  await call(ADMIN, 'PATCH', '/admin/keys/web', { policy: null, routes: ['fast'] });
  assert.equal((await ask(gateway, key)).status, 403);
  assert.equal((await ask(gateway, key, { ...chat, model: 'fast' })).status, 200);

  const rotated = await call(ADMIN, 'POST', '/admin/keys/web/rotate', { grace: '1h' });
  assert.notEqual(rotated.json.key, key);
  assert.ok(Date.parse(rotated.json.previous_until) > Date.now());
  for (const one of [key, rotated.json.key]) {
    assert.equal((await ask(gateway, one, { ...chat, model: 'fast' })).status, 200);
  }
  const revoked = await call(ADMIN, 'DELETE', '/admin/keys/web');
  assert.ok(Date.parse(revoked.json.revoked_at) <= Date.now());
  for (const one of [key, rotated.json.key]) assert.equal((await ask(gateway, one)).status, 401);
});

test('mistakes are refused with what is wrong', async (t) => {
  const { call } = await setUp(t);
  const mistakes: [body: unknown, param: string][] = [
    [{}, 'name'],
    [{ name: 'two words' }, 'name'],
    [{ name: 'x', key: 'my-own-key-0123456789' }, 'key'],
    [{ name: 'x', scopes: ['root'] }, 'scopes.0'],
    [{ name: 'x', routes: ['nowhere'] }, 'routes'],
    [{ name: 'x', policy: 'nothing' }, 'policy'],
    [{ name: 'x', expires_at: '2027-02-30' }, 'expires_at'],
    [{ name: 'x', limits: { requestsPerMinute: 1 } }, 'limits.requestsPerMinute'],
    [{ name: 'x', budget: { usd: -1, per: 'day' } }, 'budget.usd'],
  ];
  for (const [body, param] of mistakes) {
    const { status, json: answer } = await call(ADMIN, 'POST', '/admin/keys', body);
    assert.equal(status, 400, JSON.stringify(body));
    assert.equal(answer.error.param, param, JSON.stringify(answer));
  }
  assert.equal((await call(ADMIN, 'POST', '/admin/keys', { name: 'ops' })).status, 409);
  assert.equal((await call(ADMIN, 'DELETE', '/admin/keys/ops')).status, 409);
  assert.equal((await call(ADMIN, 'PATCH', '/admin/keys/nobody', {})).status, 404);
  assert.equal((await call(ADMIN, 'GET', '/admin/keys/nobody')).status, 404);
  await call(ADMIN, 'POST', '/admin/keys', { name: 'web' });
  for (const grace of ['3651d', '999999999999999d', 'soon', 5]) {
    const { status, json: answer } = await call(ADMIN, 'POST', '/admin/keys/web/rotate', { grace });
    assert.deepEqual([status, answer.error.param], [400, 'grace'], `${grace}`);
  }
});

test('a key is rotated without a body, and one of the configuration is shown like the others', async (t) => {
  const { call } = await setUp(t);
  await call(ADMIN, 'POST', '/admin/keys', { name: 'web' });
  const rotated = await call(ADMIN, 'POST', '/admin/keys/web/rotate');
  assert.equal(rotated.status, 200);
  const hours = (Date.parse(rotated.json.previous_until) - Date.now()) / 3_600_000;
  assert.ok(hours > 23.9 && hours <= 24, `${hours}`);
  const { status, json: shown } = await call(ADMIN, 'GET', '/admin/keys/ops');
  assert.deepEqual([status, shown.name, shown.source, shown.key], [200, 'ops', 'configuration', null]);
});

test('changes of one key at once are all made, and of two keys of one name one', async (t) => {
  const { call } = await setUp(t);
  const twice = await Promise.all([1, 2].map(() => call(ADMIN, 'POST', '/admin/keys', { name: 'web' })));
  assert.deepEqual(twice.map(({ status }) => status).sort(), [201, 409]);
  const changes = [{ tags: ['a'] }, { budget: { usd: 1, per: 'day' } }, { limits: { concurrency: 2 } }];
  await Promise.all(changes.map((change) => call(ADMIN, 'PATCH', '/admin/keys/web', change)));
  const { json: key } = await call(ADMIN, 'GET', '/admin/keys/web');
  assert.deepEqual([key.tags, key.budget?.usd, key.limits], [['a'], 1, { concurrency: 2 }]);
});

test('without a database keys can be listed, and not created', async (t) => {
  const upstream = await startUpstream(t, json());
  const gateway = await startGateway(t, {
    database: false,
    keys: [{ name: 'root', key: ADMIN, scopes: ['admin'] }],
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  const call = caller(gateway);
  assert.equal((await call(ADMIN, 'GET', '/admin/keys')).json.data.length, 1);
  const { status, json: answer } = await call(ADMIN, 'POST', '/admin/keys', { name: 'web' });
  assert.equal(status, 404);
  assert.match(answer.error.message, /the ledger is off/);
});

test('only the scope admin reaches what is below /admin', async (t) => {
  const { gateway, call } = await setUp(t);
  const routes: [string, string][] = [
    ['GET', '/admin/keys'],
    ['POST', '/admin/keys'],
    ['GET', '/admin/keys/web'],
    ['PATCH', '/admin/keys/web'],
    ['DELETE', '/admin/keys/web'],
    ['POST', '/admin/keys/web/rotate'],
    ['GET', '/admin/budgets'],
  ];
  for (const [method, path] of routes) {
    assert.equal((await call(READ, method, path)).status, 403, `${method} ${path}`);
    assert.equal((await call('gw-wrong-0123456789', method, path)).status, 401, `${method} ${path}`);
  }
  for (const path of ['/stats', '/exchanges', '/v1/models']) {
    assert.equal((await call(ADMIN, 'GET', path)).status, 403, path);
  }
  assert.deepEqual(readRows(gateway.database, 'select name from api_keys'), []);
});

test('without any key this machine is served but may not administer, until there is a key', async (t) => {
  const { gateway, call } = await setUp(t, { keys: [] });
  assert.equal((await post(`${gateway.url}/v1/chat/completions`, chat)).status, 200);
  assert.equal((await fetch(`${gateway.url}/admin/keys`)).status, 403);
  // As the command line does it, in another process.
  const store = createStore({
    path: gateway.database,
    role: 'write',
    synchronous: 'full',
    payloads: PLAIN_RULES,
  });
  async function run<Task extends keyof SmallTasks>(task: Task, input: SmallTasks[Task]['input']) {
    return await store[task](input);
  }
  const quiet = { warn: () => {}, error: () => {} };
  const other = createKeys({ config: { keys: [], keySecret: null }, ledger: { run }, logger: quiet });
  const { key } = await other.create('root', { scopes: ['admin'] }, null);
  let status = 0;
  const deadline = Date.now() + 8000;
  while (status !== 200 && Date.now() < deadline) status = (await call(key, 'GET', '/admin/keys')).status;
  assert.equal(status, 200, 'a key that another process created is known within seconds');
  assert.equal((await post(`${gateway.url}/v1/chat/completions`, chat)).status, 401);
  await store.close(null);
});

test('a proxy key reads its own exchanges and statistics, and nobody else is in them', async (t) => {
  const { gateway, call } = await setUp(t);
  const [one, two] = await Promise.all(
    ['one', 'two'].map(async (name) => (await call(ADMIN, 'POST', '/admin/keys', { name })).json.key),
  );
  await ask(gateway, one);
  await ask(gateway, one);
  const others = (await ask(gateway, two)).headers.get('x-request-id') ?? '';
  await gateway.exchanges(3);

  const own = await call(one, 'GET', '/exchanges');
  assert.deepEqual(
    own.json.data.map(({ key }: { key: string }) => key),
    ['one', 'one'],
  );
  assert.equal((await call(one, 'GET', `/exchanges/${own.json.data[0].id}`)).status, 200);
  const foreign = await call(one, 'GET', `/exchanges/${others}`);
  const missing = await call(one, 'GET', '/exchanges/01890000-0000-7000-8000-000000000000');
  assert.deepEqual([foreign.status, missing.status], [404, 404]);
  assert.equal(
    foreign.json.error.message.replace(others, ''),
    missing.json.error.message.replace('01890000-0000-7000-8000-000000000000', ''),
  );
  for (const path of [
    '/stats',
    '/stats/models',
    '/stats/providers',
    '/stats/routes',
    '/stats?group_by=model',
  ]) {
    const { totals, data } = (await call(one, 'GET', path)).json;
    assert.equal(totals.exchanges, 2, path);
    assert.equal(totals.attempts, 2, path);
    for (const group of data) assert.equal(group.exchanges, 2, path);
    assert.equal((await call(two, 'GET', path)).json.totals.exchanges, 1, path);
    assert.equal((await call(READ, 'GET', path)).json.totals.exchanges, 3, path);
  }
  assert.equal((await call(READ, 'GET', `/exchanges/${others}`)).status, 200);
  for (const path of ['/stats/availability', '/admin/keys']) {
    assert.equal((await call(one, 'GET', path)).status, 403, path);
  }
});

test('every route that shows own records was asked as somebody who has none', async (t) => {
  const own: string[] = [];
  const { gateway, call } = await setUp(t, {
    host: (app) => {
      app.addHook('onRoute', ({ method, url, config }) => {
        // The feed never ends; a test of its own shows whose exchanges are in it.
        const isFeed = url.endsWith('/stats/live');
        if (method === 'GET' && config?.gateway?.scope === 'own' && !isFeed) own.push(url.replace('/ai', ''));
      });
    },
  });
  const { key: busy } = (await call(ADMIN, 'POST', '/admin/keys', { name: 'busy' })).json;
  const { key: idle } = (await call(ADMIN, 'POST', '/admin/keys', { name: 'idle' })).json;
  const asked = await post(`${gateway.url}/v1/chat/completions`, chat, {
    authorization: `Bearer ${busy}`,
    'x-session-id': 'talk',
  });
  const id = asked.headers.get('x-request-id') ?? '';
  await gateway.exchanges(1);
  const { text: shown } = await call(READ, 'GET', '/sessions/talk');
  assert.ok(shown.includes('busy'));
  assert.ok(own.length >= 11);
  for (const url of own) {
    const { text } = await call(idle, 'GET', url.replace(':id', id).replace('*', 'talk'));
    for (const trace of ['busy', 'test-model', 'completion_tokens'])
      assert.ok(!text.includes(trace), `${url} ${trace}`);
  }
});
