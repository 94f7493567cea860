import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import Fastify from 'fastify';
import gateway from '../../src/index.js';
import { post, startGateway, temporaryFolder } from '../helpers/gateway.js';
import { failing, json, startUpstream } from '../helpers/upstream.js';

const chat = { model: 'both', messages: [{ role: 'user', content: 'Hi' }] };

test('what a provider has asked for holds over a restart', async (t) => {
  const limited = await startUpstream(t, failing(429, 'slow down', { 'retry-after': '600' }));
  const spare = await startUpstream(t, json());
  const options = {
    database: { path: join(temporaryFolder(), 'kept.db') },
    providers: {
      limited: { type: 'openai-compatible' as const, baseUrl: limited.url },
      spare: { type: 'openai-compatible' as const, baseUrl: spare.url, limits: { requestsPerDay: 3 } },
    },
    routes: { both: { targets: ['limited/m', 'spare/m'] } },
  };
  const first = Fastify();
  await first.register(gateway, { ...options, prefix: '/ai' });
  const ask = { method: 'POST', url: '/ai/v1/chat/completions', payload: chat } as const;
  for (let times = 0; times < 2; times++) assert.equal((await first.inject(ask)).statusCode, 200);
  assert.equal(limited.seen.length, 1);
  await first.close();

  const second = await startGateway(t, options);
  assert.equal((await post(`${second.url}/v1/chat/completions`, chat)).status, 200);
  assert.equal(limited.seen.length, 1, 'its cooldown goes on');
  const used = await post(`${second.url}/v1/chat/completions`, chat);
  assert.equal(used.status, 429, 'and so does the count of the day');
  assert.equal(spare.seen.length, 3);
  const { data } = JSON.parse(await (await fetch(`${second.url}/stats/availability`)).text());
  const row = data.find((entry: { model: string }) => entry.model === 'm' && entry);
  assert.equal(row.cooldowns[0].source, 'retry-after');
});

test('a note that is nonsense is passed over, and requests go on', async (t) => {
  const upstream = await startUpstream(t, json());
  const path = join(temporaryFolder(), 'kept.db');
  const options = {
    database: { path },
    providers: { main: { type: 'openai-compatible' as const, baseUrl: upstream.url } },
  };
  const first = Fastify();
  await first.register(gateway, { ...options, prefix: '/ai' });
  await first.ready();
  await first.close();
  const { default: Database } = await import('better-sqlite3');
  const database = new Database(path);
  database.exec("INSERT OR REPLACE INTO memory VALUES ('availability', '{broken', 0)");
  database.close();
  const second = await startGateway(t, options);
  assert.equal((await post(`${second.url}/v1/chat/completions`, { ...chat, model: 'main/m' })).status, 200);
});
