import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { LimitStore } from '../../src/index.js';
import { createMemoryLimits } from '../../src/limits/memory-store.js';
import { chat } from '../helpers/gateway.js';
import { json } from '../helpers/upstream.js';
import { startLimited } from './key-limits-fixture.js';

/** The store in memory, as one that has to be asked over a network. */
function remote(): LimitStore {
  const store = createMemoryLimits();
  const later = async <Value>(value: Value | Promise<Value>): Promise<Value> => {
    await new Promise(setImmediate);
    return value;
  };
  return {
    async admit(key, limits, now) {
      const found = await later(store.admit(key, limits, now));
      if ('limit' in found) return found;
      return {
        reserveTokens: (at, tokens) => later(found.reserveTokens(at, tokens)),
        refuse: (at) => later(found.refuse(at)),
        settle: (at, tokens) => later(found.settle(at, tokens)),
      };
    },
    standings: (key, limits, now) => later(store.standings(key, limits, now)),
  };
}

test('a store that is shared may answer later, and does all the same', async (t) => {
  const { ask } = await startLimited(t, { requestsPerMinute: 3, tokensPerMinute: 100 }, json(), {
    limitStore: remote(),
  });
  const first = await ask();
  assert.deepEqual([first.status, first.headers.get('x-ratelimit-remaining-requests')], [200, '2']);
  const large = await ask({ ...chat, max_tokens: 95 });
  assert.deepEqual([large.status, large.headers.get('x-ratelimit-remaining-requests')], [429, '2']);
  assert.deepEqual([(await ask()).status, (await ask()).status, (await ask()).status], [200, 200, 429]);
});

test('what a host has answered while the store was asked is not sent', async (t) => {
  let answer = async (): Promise<void> => {};
  const store = createMemoryLimits();
  const { ask, upstream, gateway } = await startLimited(t, { requestsPerMinute: 3 }, json(), {
    limitStore: {
      standings: store.standings,
      async admit(key, limits, now) {
        const found = await store.admit(key, limits, now);
        if ('limit' in found) return found;
        return {
          ...found,
          async reserveTokens(at, tokens) {
            await answer();
            return found.reserveTokens(at, tokens);
          },
        };
      },
    },
    host: (app) => {
      app.addHook('preHandler', async (_request, reply) => {
        answer = async () => {
          const over = once(reply.raw, 'finish');
          reply.code(504).send('too slow');
          await over;
          await new Promise(setImmediate);
        };
      });
    },
  });
  const response = await ask();
  assert.deepEqual([response.status, await response.text()], [504, 'too slow']);
  await gateway.exchanges(1);
  assert.equal(upstream.seen.length, 0);
});

test('a store that fails harms nobody', async (t) => {
  const broken = (): never => {
    throw new Error('no store');
  };
  const rejecting = () => Promise.reject(new Error('no store'));
  for (const fail of [broken, rejecting]) {
    const gateway = await startLimited(t, { requestsPerMinute: 1 }, json(), {
      limitStore: { admit: fail, standings: fail },
    });
    for (let count = 0; count < 3; count++) assert.equal((await gateway.ask()).status, 200);
    const later = await startLimited(t, { requestsPerMinute: 1 }, json(), {
      limitStore: { admit: () => ({ reserveTokens: fail, refuse: fail, settle: fail }), standings: fail },
    });
    assert.equal((await later.ask()).status, 200);
  }
});
