// own process: the clock is moved by years, which other things in the process do not take well.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseConfig } from '../../src/config.js';
import { createAvailability } from '../../src/routing/availability.js';
import { chat, post, startGateway, temporaryFolder } from '../helpers/gateway.js';
import { json, startUpstream } from '../helpers/upstream.js';

for (const [what, aheadMs] of [
  ['an hour', 3_600_000],
  ['ten years', 10 * 365 * 86_400_000],
] as const) {
  test(`a restart with the clock set back by ${what} frees no limit that is used up`, async (t) => {
    const upstream = await startUpstream(t, json());
    const path = join(temporaryFolder(), 'gateway.db');
    const limits = { requestsPerMinute: 2, requestsPerDay: 100 };
    const start = () =>
      startGateway(t, {
        database: { path },
        providers: { main: { type: 'openai-compatible', baseUrl: upstream.url, limits, models: { m: {} } } },
      });
    const ask = (url: string) => post(`${url}/v1/chat/completions`, { ...chat, model: 'main/m' });
    const now = Date.now();
    t.mock.method(Date, 'now', () => now + aheadMs);
    const first = await start();
    assert.equal((await ask(first.url)).status, 200);
    assert.equal((await ask(first.url)).status, 200);
    await first.app.close();
    t.mock.method(Date, 'now', () => now);
    const second = await start();
    const refused = await ask(second.url);
    assert.equal(refused.status, 429);
    const seconds = Number(refused.headers.get('retry-after'));
    assert.ok(seconds > 55 && seconds <= 63, `it waits for ${seconds} s`);
    assert.equal(upstream.seen.length, 2);
    // They were sent just before the restart, for all that is known.
    t.mock.method(Date, 'now', () => now + 63_000);
    assert.equal((await ask(second.url)).status, 200);
  });
}

test('a quota saved under a wrong clock blocks nobody for years', () => {
  const providers = { p: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1', models: { m: {} } } };
  const config = parseConfig({ providers });
  const provider = config.providers.p;
  assert.ok(provider !== undefined);
  const store = createAvailability(config);
  const now = Date.UTC(2026, 0, 1);
  const quota = { resource: 'requests', windowMs: null, limit: 10, remaining: 0, source: 'x' };
  const saved = (resetAt: number) => ({
    'p/m': { cooldowns: [], windows: {}, breaker: null, quotas: [{ ...quota, resetAt }] },
  });
  const target = { id: 'p/m', provider };
  const needs = { endpoint: 'chat', tokens: 1 };
  store.restore(saved(1e300), now);
  assert.equal(store.check(target, now, needs), null);
  store.restore(saved(now + 5_000), now);
  assert.equal(store.check(target, now, needs)?.until, now + 5_000);
});
