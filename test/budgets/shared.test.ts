import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Exchange } from '../../src/exchange.js';
import {
  chat,
  post,
  type RunningGateway,
  rawPost,
  type Setup,
  startGateway,
  waitForRows,
} from '../helpers/gateway.js';
import { chunk, json, roleChunk, sse, sseThenHang, startUpstream } from '../helpers/upstream.js';
import { temporaryPath } from '../unit/ledger-fixture.js';

const KEY = 'gw-0123456789abcdef';
const auth = { authorization: `Bearer ${KEY}` };

async function start(
  t: TestContext,
  baseUrl: string,
  path: string,
  usd: number,
  price: object,
  host?: Setup['host'],
) {
  return startGateway(t, {
    database: { path },
    ...(host !== undefined && { host }),
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

test('who leaves a stream before its first word pays for the question', async (t) => {
  const upstream = await startUpstream(t, sseThenHang([roleChunk]));
  const path = temporaryPath();
  const seen: (Exchange | null)[] = [];
  const gateway = await start(t, upstream.url, path, 10, { input: 1, output: 1000 }, (app) => {
    app.addHook('preHandler', async ({ exchange }) => {
      seen.push(exchange);
    });
  });
  const body = JSON.stringify({ ...chat, stream: true, max_tokens: 500 });
  const { outgoing } = rawPost(`${gateway.url}/v1/chat/completions`, body, auth);
  while (seen[0]?.attempts[0]?.status !== 200) await new Promise(setImmediate);
  outgoing.destroy();
  const [row] = await waitForRows(path, 1);
  assert.deepEqual([row?.outcome, row?.price_source], ['aborted', 'assumed']);
});

test('what a provider does in the background costs what was set aside for it', async (t) => {
  const queued = { id: 'resp_1', object: 'response', status: 'queued', output: [], usage: null };
  const upstream = await startUpstream(t, json(queued));
  const path = temporaryPath();
  const gateway = await start(t, upstream.url, path, 10, { input: 0, output: 1000 });
  const request = { model: 'main/test-model', input: 'Hi', max_output_tokens: 500, background: true };
  const response = await post(`${gateway.url}/v1/responses`, request, auth);
  assert.equal(response.status, 200);
  await response.text();
  const [row] = await waitForRows(path, 1);
  assert.deepEqual([row?.usage_source, row?.price_source, row?.cost_nano], ['none', 'assumed', 500_000_000]);
  assert.equal((await budgetOf(gateway)).spent_usd, 0.5);
});
