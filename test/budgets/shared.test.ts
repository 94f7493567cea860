import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { chat, post, type RunningGateway, startGateway, waitForRows } from '../helpers/gateway.js';
import { chunk, json, roleChunk, sse, startUpstream } from '../helpers/upstream.js';
import { temporaryPath } from '../unit/ledger-fixture.js';

const KEY = 'gw-0123456789abcdef';
const auth = { authorization: `Bearer ${KEY}` };

async function start(t: TestContext, baseUrl: string, path: string, usd: number, price: object) {
  return startGateway(t, {
    database: { path },
    keys: [{ name: 'web', key: KEY, scopes: ['proxy', 'admin'], budget: { usd, per: 'total' } }],
    providers: { main: { type: 'openai-compatible', baseUrl, models: { 'test-model': { price } } } },
  });
}

async function send({ url }: RunningGateway, body: object = chat) {
  const response = await post(`${url}/v1/chat/completions`, body, auth);
  await response.text();
  return response;
}

async function budgetOf({ url }: RunningGateway): Promise<Record<string, number>> {
  const response = await fetch(`${url}/admin/budgets`, { headers: auth });
  return JSON.parse(await response.text()).data[0];
}

test('two gateways with one database learn of what the other has spent', async (t) => {
  const upstream = await startUpstream(t, json());
  const path = temporaryPath();
  const cent = { input: 0, output: 0, request: 0.01 };
  const [one, two] = [
    await start(t, upstream.url, path, 0.1, cent),
    await start(t, upstream.url, path, 0.1, cent),
  ];
  for (let times = 0; times < 10; times += 1) assert.equal((await send(one)).status, 200);
  const deadline = Date.now() + 10_000;
  while ((await budgetOf(two)).spent_usd !== 0.1 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal((await send(two)).status, 429);
  assert.equal((await budgetOf(one)).spent_usd, 0.1);
});

test('a stream without usage is charged by its estimate, which the record has too', async (t) => {
  const upstream = await startUpstream(
    t,
    sse([roleChunk, chunk({ content: 'x'.repeat(400) }), chunk({}, 'stop'), 'data: [DONE]\n\n']),
  );
  const path = temporaryPath();
  const gateway = await start(t, upstream.url, path, 10, { input: 0, output: 1000 });
  const response = await send(gateway, { ...chat, stream: true, max_tokens: 500 });
  assert.equal(response.status, 200);
  // Set aside while it runs; when the stream is over at once its cost is known.
  assert.match(response.headers.get('x-gateway-budget-remaining') ?? '', /^9\.[59]$/);
  const [row] = await waitForRows(path, 1);
  assert.deepEqual([row?.usage_source, row?.cost_nano], ['estimated', 100_000_000]);
  const { spent_usd, reserved_usd } = await budgetOf(gateway);
  assert.deepEqual([spent_usd, reserved_usd], [0.1, 0]);
});

test('what a failure costs is given back, and a request that is not routed by a model is refused', async (t) => {
  const upstream = await startUpstream(t, json({ error: { message: 'no' } }, 500));
  const path = temporaryPath();
  const gateway = await start(t, upstream.url, path, 1, { input: 0, output: 0, request: 0.6 });
  assert.equal((await send(gateway)).status, 500);
  assert.equal((await send(gateway)).status, 500, 'the first one holds nothing any more');
  upstream.script(json());
  const provider = { ...auth, 'x-gateway-provider': 'main' };
  const upload = await fetch(`${gateway.url}/v1/files`, { method: 'POST', headers: provider, body: 'x' });
  assert.equal(upload.status, 403);
  assert.equal((await fetch(`${gateway.url}/v1/files`, { headers: provider })).status, 200);
  const { spent_usd, reserved_usd } = await budgetOf(gateway);
  assert.deepEqual([spent_usd, reserved_usd], [0, 0]);
});
