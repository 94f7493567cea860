import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Setup, startGateway } from '../helpers/gateway.js';
import { failing, json, type Script, startUpstream, withResolvers } from '../helpers/upstream.js';
import { ask, models, retrieve, until } from './discovery-fixture.js';

/** A provider that answers chats at once, and its list of models as the test says. */
async function setUp(t: TestContext, list: Script, options: Partial<Setup> = {}, lab: object = {}) {
  const calls = { models: 0, chats: 0, heard: (): void => {} };
  let current = list;
  const upstream = await startUpstream(t, (response, seen, request) => {
    if (seen.url === '/v1/models') {
      calls.models++;
      current(response, seen, request);
      calls.heard();
    } else {
      calls.chats++;
      json()(response, seen, request);
    }
  });
  const gateway = await startGateway(t, {
    providers: {
      lab: { type: 'openai-compatible', baseUrl: upstream.url, discover: '1s', apiKey: 'lab-key', ...lab },
    },
    ...options,
  });
  return {
    gateway,
    upstream,
    calls,
    url: gateway.url,
    answer(next: Script) {
      current = next;
    },
    /** Resolves when the provider has been asked so many more times for its models. */
    async asked(times: number) {
      for (let left = times; left > 0; left--) {
        const { promise, resolve } = withResolvers();
        calls.heard = resolve;
        await promise;
      }
    },
  };
}

const list = (...ids: string[]) => json({ object: 'list', data: ids.map((id) => ({ id, object: 'model' })) });
const hang: Script = () => {};

test('the models that a provider lists are listed, resolve, and can be retrieved', async (t) => {
  const { url, upstream } = await setUp(
    t,
    list('org/big:free', 'small'),
    {},
    { models: { own: { alias: 'mine' } } },
  );
  await until(async () => (await models(url)).includes('lab/small'));
  assert.deepEqual(await models(url), ['mine', 'lab/own', 'lab/org/big:free', 'lab/small']);
  for (const id of ['small', 'lab/small', 'org/big:free', 'lab/org/big:free', 'own', 'lab/own', 'mine']) {
    assert.equal((await ask(url, id)).status, 200, `a chat takes ${id}`);
    assert.deepEqual(await retrieve(url, id), [200, id, 'lab']);
  }
  const first = upstream.seen.find((seen) => seen.url === '/v1/models');
  assert.deepEqual([first?.method, first?.headers.authorization], ['GET', 'Bearer lab-key']);
});

test('what is not listed stays unknown, and reaches nobody', async (t) => {
  const { url, calls } = await setUp(t, list('small'));
  await until(async () => (await models(url)).length === 1);
  for (const id of ['lab/other', 'other', 'SMALL', 'lab', 'lab/']) {
    assert.equal((await ask(url, id)).status, 404, id);
    assert.equal((await retrieve(url, id))[0], 404, id);
  }
  assert.equal(calls.chats, 0);
});

test('a list that cannot be read opens the provider to nothing but what is declared and routed', async (t) => {
  const broken: Script[] = [failing(500, 'no list'), json({ models: [] }), json('nonsense'), json({}, 404)];
  await Promise.all(broken.map(stillAsDeclared));

  async function stillAsDeclared(script: Script): Promise<void> {
    const routes = { r: { targets: ['lab/routed'] } };
    const { url, asked } = await setUp(t, script, { routes }, { models: { own: {} } });
    // With the second call, the first answer was taken in.
    await asked(2);
    assert.deepEqual(await models(url), ['r', 'lab/own']);
    assert.equal((await ask(url, 'lab/anything')).status, 404);
    assert.equal((await ask(url, 'anything')).status, 404);
    assert.equal((await ask(url, 'lab/own')).status, 200);
    assert.equal((await ask(url, 'r')).status, 200);
  }
});

test('the last good list stays while the provider fails, and a new one replaces it', async (t) => {
  const { url, answer, asked } = await setUp(t, list('old'));
  await until(async () => (await models(url)).includes('lab/old'));
  answer(failing(503, 'down'));
  await asked(2);
  assert.deepEqual(await models(url), ['lab/old']);
  assert.equal((await ask(url, 'old')).status, 200);
  answer(list('new'));
  await until(async () => (await models(url)).includes('lab/new'));
  assert.deepEqual(await models(url), ['lab/new']);
  assert.equal((await ask(url, 'old')).status, 404);
});

test('a provider that never answers its list delays neither the start nor a request', async (t) => {
  const { url, calls } = await setUp(t, hang, {}, { models: { own: {} } });
  assert.equal((await ask(url, 'own')).status, 200);
  assert.deepEqual([calls.models, calls.chats], [1, 1]);
});

test('two providers with the same model share its bare id, in the order of the configuration', async (t) => {
  const other = await startUpstream(t, list('shared'));
  const lab = await startUpstream(t, list('shared', 'lab-only'));
  const { url } = await startGateway(t, {
    providers: {
      other: { type: 'openai-compatible', baseUrl: other.url, discover: true },
      lab: { type: 'openai-compatible', baseUrl: lab.url, discover: true },
    },
  });
  await until(async () => (await models(url)).length === 3);
  assert.deepEqual(await retrieve(url, 'shared'), [200, 'shared', 'other']);
  other.script((response, seen, request) => {
    if (seen.url === '/v1/models') list('shared')(response, seen, request);
    else failing(500, 'down')(response, seen, request);
  });
  lab.script(json());
  const answer = await ask(url, 'shared');
  assert.deepEqual([answer.status, answer.headers.get('x-gateway-provider')], [200, 'lab']);
});

test('a closed gateway asks for no more lists: its timers are cleared and its call is aborted', async (t) => {
  const started = t.mock.method(globalThis, 'setTimeout');
  const cleared = t.mock.method(globalThis, 'clearTimeout');
  const { url, gateway } = await setUp(t, list('a'), {}, { discover: '20m' });
  await until(async () => (await models(url)).includes('lab/a'));
  // A tenth around the period: no other timer is that long.
  const timers = started.mock.calls.filter(({ arguments: [, ms] }) => Number(ms) >= 1_080_000);
  assert.equal(timers.length, 1);
  await gateway.app.close();
  assert.ok(cleared.mock.calls.some(({ arguments: [timer] }) => timer === timers[0]?.result));

  const aborted = withResolvers();
  const slow = await setUp(t, (response) => response.once('close', aborted.resolve), {}, { discover: true });
  await until(async () => slow.calls.models === 1);
  await slow.gateway.app.close();
  await aborted.promise;
});

test('a key that is bound to routes finds no model behind them', async (t) => {
  const key = 'key-of-the-web-team';
  const { url, asked } = await setUp(t, list('small'), {
    keys: [{ name: 'web', key, routes: ['r'] }],
    routes: { r: { targets: ['lab/small'] }, other: { targets: ['lab/small'] } },
  });
  await asked(2);
  const headers = { authorization: `Bearer ${key}` };
  assert.deepEqual(await models(url, headers), ['r']);
  assert.deepEqual(await retrieve(url, 'r', headers), [200, 'r', 'gateway']);
  for (const id of ['small', 'lab/small', 'other'])
    assert.equal((await retrieve(url, id, headers))[0], 404, id);
});

test('a declared model can be retrieved by its bare id; what an open provider may have cannot', async (t) => {
  const { url } = await startGateway(t, {
    providers: {
      named: {
        type: 'openai-compatible',
        baseUrl: 'http://127.0.0.1:1/v1',
        models: { 'org/m': {}, 'open/x': {} },
      },
      open: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1' },
    },
    routes: { r: { targets: ['open/routed'] } },
    defaultRoute: 'r',
  });
  assert.deepEqual(await retrieve(url, 'org/m'), [200, 'org/m', 'named']);
  assert.deepEqual(await retrieve(url, 'named/org/m'), [200, 'named/org/m', 'named']);
  // A chat for `open/x` goes to `open`, of which nobody knows whether it has it; the default route takes any name.
  for (const id of ['open/x', 'open/anything', 'whatever', '']) {
    assert.equal((await retrieve(url, id))[0], 404, id);
  }
});
