import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { chat, post, readRows, type Setup, startGateway } from '../helpers/gateway.js';
import { json, startUpstream } from '../helpers/upstream.js';
import { temporaryPath, until } from '../unit/ledger-fixture.js';

const KEY = 'gw-0123456789abcdef';
const SECRET = 'webhook-secret-0123456789';
const auth = { authorization: `Bearer ${KEY}` };

const setupOf = (path: string, upstream: string, receiver: string): Setup => ({
  database: { path },
  keys: [{ name: 'web', key: KEY, budget: { usd: 0.1, per: 'month' } }],
  providers: {
    main: {
      type: 'openai-compatible',
      baseUrl: upstream,
      models: { 'test-model': { price: { input: 0, output: 0, request: 0.01 } } },
    },
  },
  webhook: { url: `${receiver}/budgets?team=1`, secret: SECRET },
});

test('thresholds are told once: signed, tried again until they are taken, and not again after a restart', async (t) => {
  const path = temporaryPath();
  const upstream = await startUpstream(t, json());
  let refusals = 2;
  const receiver = await startUpstream(t, (response) => {
    refusals -= 1;
    response.writeHead(refusals >= 0 ? 503 : 204).end();
  });
  const setup = setupOf(path, upstream.url, receiver.url);
  const gateway = await startGateway(t, setup);
  const send = async (url: string) => {
    const response = await post(`${url}/v1/chat/completions`, chat, auth);
    await response.text();
    return response.status;
  };
  for (let cent = 0; cent < 8; cent += 1) assert.equal(await send(gateway.url), 200);
  const delivered = () =>
    readRows(path, 'select id from budget_alerts where delivered_at is not null').map(({ id }) => String(id));
  await until(() => delivered().length === 2);
  assert.equal(receiver.seen.length, 4, 'two were refused');

  const bodies = new Map<string, number>();
  for (const { method, url, headers, body } of receiver.seen) {
    assert.deepEqual([method, url], ['POST', '/v1/budgets?team=1']);
    const stamp = headers['x-gateway-timestamp'];
    const hash = createHmac('sha256', SECRET).update(`${stamp}.${body}`).digest('hex');
    assert.equal(headers['x-gateway-signature'], `sha256=${hash}`);
    assert.ok(Math.abs(Date.now() / 1000 - Number(stamp)) < 60);
    const { id, threshold, key, budget, type } = JSON.parse(body.toString());
    assert.deepEqual(
      [type, key, budget],
      ['budget.threshold', 'web', { usd: 0.1, per: 'month', kind: 'hard' }],
    );
    bodies.set(id, threshold);
  }
  assert.deepEqual([...bodies.values()].sort(), [0.5, 0.8]);
  await gateway.app.close();

  const again = await startGateway(t, setup);
  for (const status of [200, 200, 429]) assert.equal(await send(again.url), status);
  await until(() => delivered().length === 3);
  const last = JSON.parse(receiver.seen.at(-1)?.body.toString() ?? '');
  assert.deepEqual([receiver.seen.length, last.threshold, last.spent_usd, last.share], [5, 1, 0.1, 1]);
});

test('a webhook that hangs delays no request and no shutdown, and its alert is kept', async (t) => {
  const path = temporaryPath();
  const upstream = await startUpstream(t, json());
  const receiver = await startUpstream(t, () => {});
  const gateway = await startGateway(t, setupOf(path, upstream.url, receiver.url));
  for (let cent = 0; cent < 10; cent += 1) {
    const response = await post(`${gateway.url}/v1/chat/completions`, chat, auth);
    assert.equal(response.status, 200);
    await response.text();
  }
  await until(() => receiver.seen.length === 1);
  const started = performance.now();
  await gateway.app.close();
  assert.ok(performance.now() - started < 5000);
  const kept = readRows(
    path,
    'select id from budget_alerts where due_at is not null and delivered_at is null',
  );
  assert.equal(kept.length, 3);
});
