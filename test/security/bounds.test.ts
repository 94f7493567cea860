import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseConfig } from '../../src/config.js';
import { createMemoryLimits } from '../../src/limits/memory-store.js';
import { priceOf } from '../../src/prices/price-of.js';
import { createRouter } from '../../src/routing/router.js';
import { chat, post } from '../helpers/gateway.js';
import { failing } from '../helpers/upstream.js';
import { facts, usage } from '../unit/routing-fixture.js';
import { openGateway } from './fixture.js';

test('models that callers make up leave a bounded number of rows in the availability', async (t) => {
  const { gateway } = await openGateway(t, { database: false }, failing(404, 'no such model'));
  for (let count = 0; count < 60; count++) {
    await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        const model = `main/made-up-${count}-${index}`;
        const headers = { 'x-session-id': `session-${count}-${index}` };
        await (await post(`${gateway.url}/v1/chat/completions`, { ...chat, model }, headers)).arrayBuffer();
      }),
    );
  }
  const { data }: { data: unknown[] } = JSON.parse(
    await (await fetch(`${gateway.url}/stats/availability`)).text(),
  );
  assert.ok(data.length <= 201, `${data.length} rows`);
});

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** Bytes of heap that stay after `work`. */
function kept(work: () => void): number {
  collect();
  const before = process.memoryUsage().heapUsed;
  work();
  collect();
  return process.memoryUsage().heapUsed - before;
}

test('what is learned of made-up models, sessions and prices is forgotten again', () => {
  const config = parseConfig({ providers: { open: { type: 'openrouter', apiKey: 'k' } } }, {});
  const router = createRouter(config);
  function use(from: number, to: number): void {
    for (let count = from; count < to; count++) {
      const entry = router.resolve(`open/model-${count}`, null);
      const [target] = entry.targets;
      assert.ok(target);
      const request = facts('Hi', { session: `session-${count}` });
      router.begin(router.plan(entry, request, count), count);
      const permit = router.availability.reserve(target, count, { tokens: 1, endpoint: 'chat' });
      if ('settle' in permit) permit.settle(count, { result: 'success', tokens: 1 });
      router.observe.answered({ entry, facts: request, target }, usage(5, 5));
      priceOf(target, count);
    }
  }
  use(0, 3000);
  const more = kept(() => use(3000, 9000));
  assert.ok(more < 1_000_000, `${more} bytes for 6000 more names`);
});

test('keys that are not used any more are forgotten by the limits', () => {
  const store = createMemoryLimits();
  const limits = { ...noLimits, requestsPerMinute: 1 };
  const admit = (key: string, now: number) => {
    const found = store.admit(key, limits, now);
    assert.ok(!(found instanceof Promise));
    if ('settle' in found) void found.settle(now, 0);
    return 'settle' in found;
  };
  for (let count = 0; count < 10_000; count++) assert.ok(admit(`key-${count}`, 1000));
  assert.ok(admit('another', 1000));
  assert.ok(!admit('key-0', 1000), 'what is in use is not');
  assert.ok(admit('key-0', 200_000));
});

const noLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  requestsPerHour: null,
  tokensPerHour: null,
  requestsPerDay: null,
  tokensPerDay: null,
  concurrency: null,
};

test('what a caller names is cut or refused before it is written down', async (t) => {
  const { gateway } = await openGateway(t);
  const long = 'x'.repeat(6000);
  await (
    await post(
      `${gateway.url}/v1/chat/completions`,
      { ...chat, model: `main/${'m'.repeat(500)}` },
      {
        'x-session-id': long,
        'x-request-id': long,
      },
    )
  ).arrayBuffer();
  await (await fetch(`${gateway.url}/v1/${long}?${long}`)).arrayBuffer();
  const refused = await post(`${gateway.url}/v1/chat/completions`, { ...chat, model: long });
  assert.equal(refused.status, 400);
  for (const row of await gateway.exchanges(3)) {
    for (const [column, value] of Object.entries(row)) {
      assert.ok(String(value).length <= 520, `${column}: ${String(value).length}`);
    }
    assert.deepEqual([row.session, row.correlation_id], [null, null]);
  }
});
