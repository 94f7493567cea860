import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config.js';
import { createAvailability } from '../../src/routing/availability.js';

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
