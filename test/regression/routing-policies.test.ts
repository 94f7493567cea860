import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, post, startGateway } from '../helpers/gateway.js';
import { failing, json, startUpstream } from '../helpers/upstream.js';

const keys = [
  { name: 'bound', key: 'gw-bound-0123456789', policy: 'narrow' },
  { name: 'swift', key: 'gw-swift-0123456789', policy: 'swift' },
];

test('a key whose policy keeps it from targets has no way around it through what is passed on', async (t) => {
  const upstream = await startUpstream(t, json({ results: [] }));
  const provider = { type: 'openai-compatible' as const, baseUrl: upstream.url };
  const { url } = await startGateway(t, {
    providers: { main: provider, other: provider },
    passthroughProvider: 'main',
    policies: { narrow: { deny: ['other/*'] }, swift: { strategy: 'fastest' } },
    keys,
  });
  const bound = { authorization: `Bearer ${keys[0]?.key}` };
  for (const ask of [
    () => fetch(`${url}/v1/files`, { headers: { ...bound, 'x-gateway-provider': 'other' } }),
    () => fetch(`${url}/v1/files`, { headers: bound }),
    () => post(`${url}/v1/moderations`, { input: 'Hi' }, bound),
  ]) {
    const refused = await ask();
    assert.deepEqual([refused.status, (await errorOf(refused)).code], [403, 'insufficient_permissions']);
  }
  assert.equal(upstream.seen.length, 0);
  const swift = { authorization: `Bearer ${keys[1]?.key}` };
  assert.equal((await fetch(`${url}/v1/files`, { headers: swift })).status, 200, 'it keeps from nothing');
});

test('a pause before the next try is not the gateway’s own time', async (t) => {
  const upstream = await startUpstream(t, (response, seen, request) => {
    upstream.script(json());
    failing(503, 'once')(response, seen, request);
  });
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    retries: 1,
  });
  const chat = { model: 'main/m', messages: [{ role: 'user', content: 'Hi' }] };
  assert.equal((await post(`${gateway.url}/v1/chat/completions`, chat)).status, 200);
  const [row] = await gateway.exchanges(1);
  // It lasts half of 250 ms at least.
  assert.ok(Number(row?.overhead_us) <= Number(row?.total_us) - 125_000, `${row?.overhead_us} µs`);
});
