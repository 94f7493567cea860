import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, post, startGateway } from '../helpers/gateway.js';
import { json, startUpstream } from '../helpers/upstream.js';

test('the wait for a connection is measured, whether one was open or not', async (t) => {
  const upstream = await startUpstream(t, json());
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  for (let count = 0; count < 2; count += 1) {
    await (await post(`${gateway.url}/v1/chat/completions`, { ...chat, model: 'main/m' })).text();
  }
  for (const row of await gateway.exchanges(2)) {
    const connect = Number(row.connect_us);
    assert.ok(row.connect_us !== null && connect >= 0 && connect <= Number(row.headers_us), `${connect} µs`);
  }
});

test('a provider that no connection can be made to has none to wait for', async (t) => {
  const gateway = await startGateway(t, {
    providers: { gone: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:1' } },
  });
  const answer = await post(`${gateway.url}/v1/chat/completions`, { ...chat, model: 'gone/m' });
  assert.equal(answer.status, 502);
  const [row] = await gateway.exchanges(1);
  assert.equal(row?.connect_us, null);
});
