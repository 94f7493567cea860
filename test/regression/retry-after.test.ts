import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, post, type Setup, startGateway } from '../helpers/gateway.js';
import { failing, json, startUpstream } from '../helpers/upstream.js';

const messages = [{ role: 'user', content: 'Hi' }];

/** What never ends by waiting: the price is unknown, the target is not allowed, the request is above a limit. */
const lasting: [what: string, setup: (baseUrl: string) => Setup][] = [
  [
    'a price that nobody knows',
    (baseUrl) => ({
      providers: { main: { type: 'openai-compatible', baseUrl } },
      policies: { p: { maxPrice: { output: 1 } } },
    }),
  ],
  [
    'a policy that denies the target',
    (baseUrl) => ({
      providers: { main: { type: 'openai-compatible', baseUrl } },
      policies: { p: { deny: ['main/*'] } },
    }),
  ],
  [
    'a limit that the request alone is above',
    (baseUrl) => ({
      providers: { main: { type: 'openai-compatible', baseUrl, limits: { tokensPerMinute: 1 } } },
      policies: { p: {} },
    }),
  ],
];

for (const [what, setup] of lasting) {
  test(`${what} is refused without a word on when to come back`, async (t) => {
    const upstream = await startUpstream(t, json());
    const gateway = await startGateway(t, { ...setup(upstream.url), routes: { r: { targets: ['main/m'] } } });
    const response = await post(
      `${gateway.url}/v1/chat/completions`,
      { model: 'r', messages },
      { 'x-gateway-policy': 'p' },
    );
    assert.deepEqual([response.status, response.headers.get('retry-after')], [503, null]);
    assert.equal((await errorOf(response)).code, 'no_available_target');
    assert.equal(upstream.seen.length, 0);
  });
}

test('where one target is denied and the other blocked for a while, that while is the answer', async (t) => {
  const upstream = await startUpstream(t, failing(402, 'pay'));
  const gateway = await startGateway(t, {
    providers: {
      main: { type: 'openai-compatible', baseUrl: upstream.url },
      other: { type: 'openai-compatible', baseUrl: upstream.url },
    },
    routes: { r: { targets: ['main/m', 'other/m'] } },
    policies: { p: { deny: ['other/*'] } },
  });
  const ask = () =>
    post(`${gateway.url}/v1/chat/completions`, { model: 'r', messages }, { 'x-gateway-policy': 'p' });
  assert.equal((await ask()).status, 402);
  const refused = await ask();
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get('retry-after')) > 290);
});

test('what is passed through keeps the word of its provider on when to come back', async (t) => {
  const upstream = await startUpstream(
    t,
    failing(429, 'Slow', { 'retry-after': '30', 'retry-after-ms': '29500' }),
  );
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    passthroughProvider: 'main',
  });
  const ask = () => fetch(`${gateway.url}/v1/files`);
  const response = await ask();
  const told = ['retry-after', 'retry-after-ms'].map((name) => response.headers.get(name));
  assert.deepEqual([response.status, ...told], [429, '30', '29500']);
  upstream.script((response) => response.writeHead(429, { 'retry-after': '7' }).end('Slow down'));
  assert.equal((await ask()).headers.get('retry-after'), '7', 'also beside a text that is no JSON');
  upstream.script(failing(429, 'Slow'));
  assert.equal((await ask()).headers.get('retry-after'), null);
});
