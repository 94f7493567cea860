import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { chat, errorOf, post, readRows, startGateway } from '../helpers/gateway.js';
import { json, startUpstream } from '../helpers/upstream.js';

const KEY = 'gw-0123456789abcdef';
const auth = { authorization: `Bearer ${KEY}` };
const CENT = 10_000_000;

/** A gateway whose every answer costs one cent, and a key that has a dollar. */
async function setUp(t: TestContext, kind: 'hard' | 'soft') {
  const upstream = await startUpstream(t, json());
  const gateway = await startGateway(t, {
    keys: [{ name: 'web', key: KEY, scopes: ['proxy', 'admin'], budget: { usd: 1, per: 'total', kind } }],
    providers: {
      main: {
        type: 'openai-compatible',
        baseUrl: upstream.url,
        models: { 'test-model': { price: { input: 0, output: 0, request: 0.01 } } },
      },
    },
  });
  const send = async () => {
    const response = await post(`${gateway.url}/v1/chat/completions`, chat, auth);
    return { response, text: await response.text() };
  };
  const budget = async () => {
    const response = await fetch(`${gateway.url}/admin/budgets`, { headers: auth });
    const { data } = JSON.parse(await response.text());
    return data[0];
  };
  return { upstream, gateway, send, budget };
}

const sum = (path: string, table: string) =>
  readRows(path, `select coalesce(sum(cost_nano), 0) as nano from ${table}`)[0]?.nano;

test('of 500 requests at once that cost a cent each, a dollar pays for exactly 100', async (t) => {
  const { upstream, gateway, send, budget } = await setUp(t, 'hard');
  const answers = await Promise.all(Array.from({ length: 500 }, send));
  const statuses = answers.map(({ response }) => response.status);
  assert.equal(statuses.filter((status) => status === 200).length, 100);
  assert.equal(statuses.filter((status) => status === 429).length, 400);
  assert.equal(upstream.seen.length, 100);

  const rows = await gateway.exchanges(500);
  assert.equal(sum(gateway.database, 'exchanges'), 100 * CENT);
  assert.equal(sum(gateway.database, 'attempts'), 100 * CENT);
  assert.equal(sum(gateway.database, 'rollups'), 100 * CENT);
  const { spent_usd, reserved_usd, remaining_usd } = await budget();
  assert.deepEqual([spent_usd, reserved_usd, remaining_usd], [1, 0, 0]);
  const refused = rows.filter(({ status }) => status === 429);
  for (const row of refused) {
    assert.deepEqual(
      [row.outcome, row.end_reason, row.error_code, row.cost_nano],
      ['rejected', 'budget_exhausted', 'budget_exceeded', null],
    );
  }
});

test('a soft budget lets everything through, and says by how much it was passed', async (t) => {
  const { gateway, send, budget } = await setUp(t, 'soft');
  const answers = await Promise.all(Array.from({ length: 150 }, send));
  assert.ok(answers.every(({ response }) => response.status === 200));
  await gateway.exchanges(150);
  assert.equal(sum(gateway.database, 'exchanges'), 150 * CENT);
  const { spent_usd, remaining_usd } = await budget();
  assert.deepEqual([spent_usd, remaining_usd], [1.5, -0.5]);
  const { response } = await send();
  assert.equal(response.headers.get('x-gateway-budget-remaining'), '-0.51');
});

test('who is refused reads what is left, and is told not to try again', async (t) => {
  const { gateway, send } = await setUp(t, 'hard');
  const first = await send();
  assert.equal(first.response.headers.get('x-gateway-budget-remaining'), '0.99');
  assert.equal(first.response.headers.get('x-gateway-budget-reset'), null);
  await Promise.all(Array.from({ length: 99 }, send));
  const response = await post(`${gateway.url}/v1/chat/completions`, chat, auth);
  assert.equal(response.status, 429);
  assert.equal(response.headers.get('x-gateway-budget-remaining'), '0');
  assert.equal(response.headers.get('x-should-retry'), 'false');
  assert.equal(response.headers.get('retry-after'), null);
  const { code, type, message } = await errorOf(response);
  assert.deepEqual([code, type], ['budget_exceeded', 'rate_limit_error']);
  assert.equal(
    message,
    'The budget of this API key (1 USD in total) has 0 USD left, and this request may cost 0.01 USD.',
  );
});
