import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import explain from '../../plugins/explain.js';
import keys from '../../plugins/keys.js';
import routing from '../../plugins/routing.js';
import { parseConfig } from '../../src/config.js';
import type { Explanation } from '../../src/routing/explain.js';
import { post, type Setup } from '../helpers/gateway.js';
import { failing } from '../helpers/upstream.js';
import { errorOf, recordOf, setUpParts } from '../wire/strategy-fixture.js';

const messages = [{ role: 'user', content: 'Hello' }];
const cheap = { model: { price: { input: 1, output: 1 }, context: 8000, tier: 'local' } } as const;
const dear = { model: { price: { input: 10, output: 10 }, context: 200_000, tier: 'frontier' } } as const;

/** What `POST /explain` answers to a chat for the route `r`. */
async function explained(
  url: string,
  {
    query = '',
    body = {},
    headers = {},
  }: { query?: string; body?: object; headers?: Record<string, string> } = {},
): Promise<Explanation> {
  const response = await post(`${url}/explain${query}`, { model: 'r', messages, ...body }, headers);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

/** `provider` of each candidate, and `provider reason` of each skip. */
function outline({ candidates, skips }: Explanation) {
  return [
    candidates.map(({ provider }) => provider),
    skips.map(({ provider, reason }) => `${provider} ${reason}`),
  ];
}

test('the candidates come in the order in which they would be tried, with what is known of each', async (t) => {
  const { gateway } = await setUpParts(t, { dear, cheap }, { strategy: 'cheapest' });
  const answer = await explained(gateway.url, { body: { max_tokens: 50 } });
  const { candidates, ...rest } = answer;
  assert.deepEqual(rest, {
    endpoint: '/v1/chat/completions',
    route: 'r',
    strategy: 'cheapest',
    policy: null,
    complexity: null,
    tier: null,
    input_tokens: answer.input_tokens,
    max_output_tokens: 50,
    skips: [],
  });
  const tokens = answer.input_tokens + 50;
  const known = { model: 'm', expected_first_content_ms: null };
  assert.deepEqual(candidates, [
    {
      ...known,
      provider: 'cheap',
      tier: 'local',
      context: 8000,
      estimated_cost_usd: tokens / 1e6,
      worst_case_cost_usd: tokens / 1e6,
    },
    {
      ...known,
      provider: 'dear',
      tier: 'frontier',
      context: 200_000,
      estimated_cost_usd: tokens / 1e5,
      worst_case_cost_usd: tokens / 1e5,
    },
  ]);
});

test('what is expected of a target is known once it has answered', async (t) => {
  const { gateway, ask } = await setUpParts(t, { one: {} }, {});
  await (await ask()).text();
  const [known] = (await explained(gateway.url)).candidates;
  assert.ok(
    (known?.expected_first_content_ms ?? -1) >= 0 && (known?.expected_first_content_ms ?? 1e9) < 5000,
  );
  const [streamed] = (await explained(gateway.url, { body: { stream: true } })).candidates;
  assert.equal(streamed?.expected_first_content_ms, null);
});

test('a skip says why, until when, and who says so, as the record of a request does then', async (t) => {
  const { gateway, ask } = await setUpParts(
    t,
    {
      limited: { script: failing(429, 'later', { 'retry-after': '60' }), model: { tier: 'standard' } },
      denied: {},
      dear,
      small: { model: { context: 10, tier: 'frontier', price: { output: 1 } } },
      low: { model: { tier: 'local', price: { output: 1 } } },
      full: { provider: { limits: { tokensPerMinute: 5 } }, model: { price: { output: 1 } } },
      good: { model: { tier: 'standard', price: { output: 1 } } },
    },
    { strategy: 'round-robin' },
    {
      policies: {
        p: { deny: ['denied/*'], maxPrice: { output: 5 }, tier: 'standard' },
        first: { allow: ['limited/*'] },
      },
    },
  );
  await ask('Hi', {}, { 'x-gateway-policy': 'first' });
  const headers = { 'x-gateway-policy': 'p' };
  const body = { messages: [{ role: 'user', content: 'word '.repeat(30) }] };
  const answer = await explained(gateway.url, { headers, body });
  assert.deepEqual([answer.policy, answer.tier, answer.strategy], ['p', 'standard', 'round-robin']);
  // The first has no price either, so the ceiling speaks before its cooldown.
  assert.deepEqual(outline(answer), [
    ['good'],
    [
      'limited price_ceiling',
      'denied policy_denied',
      'dear price_ceiling',
      'small context_too_small',
      'low tier_too_low',
      'full limit_too_small',
    ],
  ]);
  const record = await recordOf(gateway.url, await ask('', body, headers));
  assert.deepEqual(
    record.attempts
      .filter(({ decision }) => decision === 'skipped')
      .map((row) => `${row.provider} ${row.reason}`),
    outline(answer)[1],
  );
  assert.deepEqual(
    [record.policy, record.tier, record.strategy],
    [answer.policy, answer.tier, answer.strategy],
  );
  const first = await explained(gateway.url, { headers: { 'x-gateway-policy': 'first' } });
  const skip = first.skips.find(({ provider }) => provider === 'limited');
  const { reason, source, until } = skip ?? {};
  assert.deepEqual([first.candidates.length, reason, source], [0, 'rate_limited', 'retry-after']);
  const seconds = (Date.parse(String(until)) - Date.now()) / 1000;
  assert.ok(seconds > 50 && seconds <= 60, String(until));
  const full = answer.skips.at(-1);
  assert.deepEqual([full?.until, full?.source], [null, 'limits.tokensPerMinute']);
});

test('the score and its tier are told', async (t) => {
  const { gateway, ask } = await setUpParts(t, { dear, cheap }, { strategy: 'complexity' });
  const answer = await explained(gateway.url);
  assert.deepEqual([answer.tier, answer.complexity, outline(answer)[0]], ['local', 0, ['cheap', 'dear']]);
  const response = await ask('Hello');
  assert.equal(response.headers.get('x-gateway-tier'), answer.tier);
});

test('nothing is sent, nothing is recorded, and no counter moves, however often it is asked', async (t) => {
  const { gateway, upstreams, ask, whoInTurn } = await setUpParts(
    t,
    {
      one: { provider: { limits: { requestsPerMinute: 200, tokensPerDay: 1_000_000 } } },
      two: {},
      three: {},
    },
    { strategy: 'round-robin' },
  );
  assert.equal((await ask()).headers.get('x-gateway-provider'), 'one');
  const availability = async () => (await fetch(`${gateway.url}/stats/availability`)).json();
  const before = await availability();
  for (let count = 0; count < 100; count++) {
    assert.deepEqual(outline(await explained(gateway.url))[0], ['two', 'three', 'one']);
  }
  assert.deepEqual(await availability(), before);
  assert.deepEqual([upstreams.two.seen.length, upstreams.three.seen.length], [0, 0]);
  assert.deepEqual(await whoInTurn(3), ['two', 'three', 'one']);
  assert.equal((await gateway.exchanges(4)).length, 4);
});

test('a key can be named, whose policy and routes count', async (t) => {
  const ops = 'key-of-the-ops-team';
  const web = 'key-of-the-web-team';
  const { gateway } = await setUpParts(
    t,
    { dear, cheap },
    {},
    {
      keys: [
        { name: 'web', key: web, routes: ['r'], policy: 'thrifty' },
        { name: 'ops', key: ops, scopes: ['read'] },
      ],
      policies: { thrifty: { maxPrice: { output: 2 } } },
    },
  );
  const headers = { authorization: `Bearer ${ops}` };
  assert.deepEqual(outline(await explained(gateway.url, { headers })), [['dear', 'cheap'], []]);
  const forWeb = await explained(gateway.url, { headers, query: '?key=web' });
  assert.deepEqual([forWeb.policy, ...outline(forWeb)], ['thrifty', ['cheap'], ['dear price_ceiling']]);
  const past = await post(`${gateway.url}/explain?key=web`, { model: 'dear/m', messages }, headers);
  assert.deepEqual((await errorOf(past)).code, 'insufficient_permissions');
  const nobody = await errorOf(await post(`${gateway.url}/explain?key=nobody`, { model: 'r' }, headers));
  assert.deepEqual([nobody.status, nobody.param], [400, 'key']);
});

test('it takes a key with the scope read, and no other', async (t) => {
  const keys: Setup['keys'] = [
    { name: 'web', key: 'key-of-the-web-team' },
    { name: 'ops', key: 'key-of-the-ops-team', scopes: ['read'] },
  ];
  const { gateway } = await setUpParts(t, { one: {} }, {}, { keys });
  const status = async (key: string) =>
    (await post(`${gateway.url}/explain`, { model: 'r', messages }, { authorization: `Bearer ${key}` }))
      .status;
  assert.deepEqual(
    [
      await status('key-of-the-ops-team'),
      await status('key-of-the-web-team'),
      await status('key-of-nobody-here'),
    ],
    [200, 403, 401],
  );
});

test('a session is explained with the target it stays on', async (t) => {
  const { gateway, who } = await setUpParts(
    t,
    { one: {}, two: {} },
    { strategy: 'round-robin', sticky: true },
  );
  const headers = { 'x-session-id': 'a' };
  assert.equal(await who('Hi', {}, headers), 'one');
  assert.deepEqual(outline(await explained(gateway.url, { headers }))[0], ['one', 'two']);
  assert.deepEqual(outline(await explained(gateway.url))[0], ['two', 'one']);
});

/** The plugin with nothing but a router. */
async function bare(t: TestContext) {
  const app = Fastify();
  t.after(() => app.close());
  const config = parseConfig(
    {
      providers: {
        lab: { type: 'ollama', models: { m: { price: { input: 1 } }, e: { price: { input: 1 } } } },
        other: { type: 'ollama' },
      },
      routes: { r: { targets: ['lab/m', 'other/x'] } },
      passthroughProvider: 'other',
    },
    {},
  );
  app.decorateRequest('exchange', null);
  await app.register(routing, config);
  await app.register(keys, config);
  await app.register(explain, config);
  return async (body: unknown, url = '/explain', headers: Record<string, string> = {}) => {
    const response = await app.inject({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json', ...headers },
      payload: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.statusCode, body: response.json() };
  };
}

test('every endpoint that is routed by a model can be explained', async (t) => {
  const ask = await bare(t);
  for (const endpoint of ['/v1/embeddings', '/embeddings']) {
    const { body } = await ask({ model: 'lab/e', input: 'four' }, `/explain?endpoint=${endpoint}`);
    assert.equal(body.endpoint, '/v1/embeddings');
    // An embedding has no output, so a price for the input is enough.
    assert.ok(body.candidates[0].estimated_cost_usd > 0);
  }
  const chat = await ask({ model: 'lab/e', messages });
  assert.equal(chat.body.candidates[0].estimated_cost_usd, null);
});

test('x-gateway-provider narrows the targets, and stands in for a model that is left out', async (t) => {
  const ask = await bare(t);
  const named = await ask({ model: 'r', messages }, '/explain', { 'x-gateway-provider': 'other' });
  assert.deepEqual(outline(named.body)[0], ['other']);
  const left = await ask({ input: 'Hi' }, '/explain?endpoint=/v1/responses');
  assert.deepEqual(
    [left.status, left.body.candidates[0].provider, left.body.candidates[0].model],
    [200, 'other', '*'],
  );
});

test('what cannot be explained is said in the words of the API', async (t) => {
  const ask = await bare(t);
  const cases: [body: unknown, url: string, status: number, code: string, param: string | null][] = [
    [{ model: 'nothing', messages }, '/explain', 404, 'model_not_found', 'model'],
    [{ model: 7 }, '/explain', 400, 'invalid_request_error', 'model'],
    [[], '/explain', 400, 'invalid_request_error', 'model'],
    ['{"model":', '/explain', 400, 'invalid_request_error', null],
    [{ model: 'r' }, '/explain?endpoint=/v1/files', 400, 'invalid_request_error', 'endpoint'],
    [{ model: 'r' }, '/explain?endpoint=a&endpoint=b', 400, 'invalid_request_error', 'endpoint'],
    [{ model: 'r' }, '/explain?key=', 400, 'invalid_request_error', 'key'],
  ];
  for (const [body, url, status, code, param] of cases) {
    const answer = await ask(body, url);
    const { error } = answer.body;
    assert.deepEqual([answer.status, error?.code, error?.param], [status, code, param], JSON.stringify(body));
  }
  const unknown = await ask({ model: 'r' }, '/explain', { 'x-gateway-policy': 'none' });
  assert.deepEqual([unknown.status, unknown.body.error.param], [400, 'x-gateway-policy']);
  const nobody = await ask({ model: 'r' }, '/explain', { 'x-gateway-provider': 'nobody' });
  assert.deepEqual([nobody.status, nobody.body.error.param], [400, 'x-gateway-provider']);
});
