import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { chat, post, type RunningGateway, type Setup, startGateway } from '../helpers/gateway.js';
import { failing, json, type Script, startUpstream } from '../helpers/upstream.js';

const WEB = 'web-key-0123456789abcdef';
const OPS = 'ops-key-0123456789abcdef';
const BOUND = 'bound-key-0123456789abcdef';
const PROVIDER = 'sk-provider-0123456789abcdef';

const keys = [
  { name: 'web', key: WEB, scopes: ['proxy'] },
  { name: 'ops', key: OPS, scopes: ['read'] },
  { name: 'bound', key: BOUND, scopes: ['proxy'], routes: ['fast'] },
] satisfies Setup['keys'];

async function setUp(context: TestContext, options: Setup = { keys }, script: Script = json()) {
  const upstream = await startUpstream(context, script);
  const gateway = await startGateway(context, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url, apiKey: PROVIDER } },
    routes: { fast: { targets: ['main/test-model'] }, slow: { targets: ['main/test-model'] } },
    ...options,
  });
  return { upstream, gateway, chatUrl: `${gateway.url}/v1/chat/completions` };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

async function codeOf(response: Response): Promise<[number, unknown]> {
  const { error } = (await response.json()) as { error: { code: unknown } };
  return [response.status, error.code];
}

/** The database as it lies on the disk, with what is still in its write-ahead log. */
function databaseBytes({ database }: RunningGateway): string {
  return [database, `${database}-wal`]
    .filter(existsSync)
    .map((file) => readFileSync(file, 'latin1'))
    .join('');
}

for (const [how, headers] of [
  ['authorization', bearer(WEB)],
  ['authorization in lower case', { authorization: `bearer ${WEB}` }],
  ['x-api-key', { 'x-api-key': WEB }],
  ["x-api-key beside a host's own authorization", { 'x-api-key': WEB, authorization: 'Basic aG9zdA==' }],
] as const) {
  test(`a key sent as ${how} is known by its name`, async (t) => {
    const { gateway, chatUrl } = await setUp(t);
    const response = await post(chatUrl, chat, headers);
    assert.equal(response.status, 200);
    assert.equal((await gateway.exchanges(1))[0]?.key, 'web');
  });
}

for (const [what, headers] of [
  ['no key', {}],
  ['a wrong key', bearer('wrong-key-0123456789abcd')],
  ['a wrong x-api-key beside a right bearer', { 'x-api-key': 'wrong', ...bearer(WEB) }],
  ['the beginning of a key', bearer(WEB.slice(0, -1))],
  ['a key with something behind it', bearer(`${WEB}x`)],
  ['a key in another case', bearer(WEB.toUpperCase())],
  ['another scheme', { authorization: `Basic ${WEB}` }],
  ["the provider's key", bearer(PROVIDER)],
] as const) {
  test(`${what} is 401 invalid_api_key, and recorded without a name`, async (t) => {
    const { upstream, gateway, chatUrl } = await setUp(t);
    const response = await post(chatUrl, chat, headers);
    assert.equal(response.headers.get('www-authenticate'), 'Bearer');
    assert.deepEqual(await codeOf(response), [401, 'invalid_api_key']);
    assert.equal(upstream.seen.length, 0);
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.key, row?.outcome, row?.end_reason], [null, 'rejected', 'unauthorized']);
  });
}

test('an unauthorised body is not even parsed', async (t) => {
  const { chatUrl } = await setUp(t);
  assert.deepEqual(await codeOf(await post(chatUrl, '{"model": broken')), [401, 'invalid_api_key']);
});

test('a key for the models may not read what is not its own', async (t) => {
  const { gateway } = await setUp(t);
  for (const path of ['/stats/availability', '/admin/keys', '/admin/budgets']) {
    const response = await fetch(gateway.url + path, { headers: bearer(WEB) });
    assert.deepEqual(await codeOf(response), [403, 'insufficient_permissions'], path);
  }
  for (const path of ['/stats', '/stats/providers', '/exchanges', '/exchanges/x']) {
    const allowed = await fetch(gateway.url + path, { headers: bearer(OPS) });
    assert.ok(allowed.status === 200 || path.endsWith('/x'), path);
    assert.equal((await fetch(gateway.url + path)).status, 401, path);
  }
});

test('a key for the stats may not use the models', async (t) => {
  const { upstream, gateway, chatUrl } = await setUp(t);
  assert.deepEqual(await codeOf(await post(chatUrl, chat, bearer(OPS))), [403, 'insufficient_permissions']);
  assert.equal(upstream.seen.length, 0);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.key, row?.outcome, row?.end_reason], ['ops', 'rejected', 'forbidden']);
});

test('a key that is bound to a route may use that route, and nothing beside it', async (t) => {
  const { upstream, gateway, chatUrl } = await setUp(t);
  const call = (model: string) => post(chatUrl, { ...chat, model }, bearer(BOUND));
  assert.equal((await call('fast')).status, 200);
  for (const model of ['slow', 'main/test-model']) {
    assert.deepEqual(await codeOf(await call(model)), [403, 'insufficient_permissions'], model);
  }
  assert.equal(upstream.seen.length, 1);
  const rows = await gateway.exchanges(3);
  assert.deepEqual(
    rows.map((row) => [row.key, row.outcome]),
    [
      ['bound', 'ok'],
      ['bound', 'rejected'],
      ['bound', 'rejected'],
    ],
  );
});

test('without keys a caller on this machine needs none', async (t) => {
  const { gateway, chatUrl } = await setUp(t, {});
  assert.equal((await post(chatUrl, chat)).status, 200);
  assert.equal((await post(chatUrl, chat, bearer('anything'))).status, 200);
  assert.equal((await fetch(`${gateway.url}/stats`)).status, 200);
  assert.deepEqual(
    (await gateway.exchanges(2)).map((row) => row.key),
    [null, null],
  );
});

for (const [name, value] of [
  ['x-forwarded-for', '127.0.0.1'],
  ['forwarded', 'for=127.0.0.1'],
  ['x-real-ip', '127.0.0.1'],
] as const) {
  test(`without keys a caller behind a proxy that sends ${name} is refused`, async (t) => {
    const { upstream, gateway, chatUrl } = await setUp(t, {});
    assert.deepEqual(await codeOf(await post(chatUrl, chat, { [name]: value })), [401, 'invalid_api_key']);
    assert.equal((await fetch(`${gateway.url}/stats`, { headers: { [name]: value } })).status, 401);
    assert.equal(upstream.seen.length, 0);
  });
}

test('no key is ever written to the database', async (t) => {
  const { upstream, gateway, chatUrl } = await setUp(t);
  await post(chatUrl, chat, bearer(WEB));
  await post(chatUrl, { ...chat, stream: true }, { 'x-api-key': WEB });
  await post(chatUrl, chat, bearer('wrong-key-0123456789abcd'));
  await post(chatUrl, { ...chat, model: 'nowhere' }, bearer(WEB));
  // The last one puts the provider into quarantine.
  for (const status of [400, 500, 401]) {
    upstream.script(failing(status, `Incorrect API key provided: ${PROVIDER}.`));
    await post(chatUrl, chat, bearer(WEB));
  }
  await gateway.exchanges(7);
  const bytes = databaseBytes(gateway);
  assert.ok(bytes.includes('test-model'), 'the rows are in these bytes');
  for (const secret of [WEB, OPS, BOUND, PROVIDER, 'wrong-key-0123456789abcd']) {
    assert.ok(!bytes.includes(secret), `${secret.slice(0, 8)} is in the database`);
  }
});

test('a key bound to routes learns nothing of what else there is from a name that leads nowhere', async (t) => {
  const upstream = await startUpstream(t, json());
  const key = 'bound-0123456789abcdef';
  const gateway = await startGateway(t, {
    keys: [{ name: 'bound', key, routes: ['fast'] }],
    providers: { hidden: { type: 'openai-compatible', baseUrl: upstream.url } },
    routes: { fast: { targets: ['hidden/m'] } },
  });
  for (const model of ['nobody/gpt', 'gpt', 'hidden/other']) {
    const response = await post(
      `${gateway.url}/v1/chat/completions`,
      { ...chat, model },
      { 'x-api-key': key },
    );
    assert.equal(response.status, 403, model);
    const { error } = (await response.json()) as { error: { message: string; code: string } };
    assert.equal(error.code, 'insufficient_permissions');
    assert.ok(model.includes('hidden') || !error.message.includes('hidden'), error.message);
  }
  const listed = await fetch(`${gateway.url}/v1/models/nobody`, { headers: { 'x-api-key': key } });
  assert.ok(!(await listed.text()).includes('hidden'));
  assert.equal(upstream.seen.length, 0);
});
