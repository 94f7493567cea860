import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { call, chat, named, permitFor, storeOf } from './availability-fixture.js';

const NOW = Date.parse('2026-01-02T03:04:05.000Z');
const a = named('lab/a');
const options = {
  limits: { requestsPerMinute: 3, tokensPerDay: 1000, concurrency: 4 },
  breaker: { failures: 2, window: '10s', open: '30s' },
};
const quota = { resource: 'requests', windowMs: 60_000, limit: 30, source: 'x-ratelimit-remaining' } as const;

/** A second store with what the first one saved, as it would come back from a file. */
function restarted(store: ReturnType<typeof storeOf>, now: number, lab: object = options) {
  const next = storeOf(lab);
  next.restore(JSON.parse(JSON.stringify(store.save(now))), now);
  return next;
}

test('the snapshot tells every number with its source', () => {
  const store = storeOf(options);
  const permit = permitFor(store, 'lab/a', NOW, { tokens: 100, endpoint: 'chat' });
  permit.sent(NOW);
  permit.learn([{ ...quota, remaining: 7, resetAt: NOW + 5000 }], 'target');
  permitFor(store, 'lab/a', NOW, { tokens: 50, endpoint: 'chat' });
  store.block('lab', 'rate_limited', NOW + 2000, { source: 'retry-after', endpoint: 'embeddings' });
  store.block('lab/b', 'model_missing', NOW + 1000);
  const [provider, first, second] = store.snapshot(NOW);
  assert.deepEqual(provider, {
    provider: 'lab',
    model: null,
    obstacle: null,
    in_flight: 2,
    breaker: null,
    cooldowns: [
      {
        reason: 'rate_limited',
        endpoint: 'embeddings',
        until: '2026-01-02T03:04:07.000Z',
        source: 'retry-after',
      },
    ],
    quotas: [],
    limits: [
      { name: 'requests_per_minute', limit: 3, used: 2, remaining: 1, source: 'configuration' },
      { name: 'tokens_per_day', limit: 1000, used: 150, remaining: 850, source: 'configuration' },
      { name: 'concurrency', limit: 4, used: 2, remaining: 2, source: 'configuration' },
    ],
  });
  assert.deepEqual(first, {
    provider: 'lab',
    model: 'a',
    obstacle: null,
    in_flight: 2,
    breaker: { state: 'closed', open_until: null },
    cooldowns: [],
    quotas: [
      {
        resource: 'requests',
        window_ms: 60_000,
        limit: 30,
        remaining: 7,
        sent_since: 1,
        reset_at: '2026-01-02T03:04:10.000Z',
        source: 'x-ratelimit-remaining',
      },
    ],
    limits: [],
  });
  assert.deepEqual(second?.obstacle, {
    reason: 'model_missing',
    until: '2026-01-02T03:04:06.000Z',
    source: 'default',
  });
});

test('the snapshot of a target shows what keeps its provider, and a breaker in each of its states', () => {
  const store = storeOf(options);
  call(store, 'lab/a', NOW, 'failure');
  call(store, 'lab/a', NOW, 'failure');
  const breaker = (now: number) => store.snapshot(now)[1]?.breaker;
  assert.deepEqual(breaker(NOW), { state: 'open', open_until: '2026-01-02T03:04:35.000Z' });
  assert.equal(breaker(NOW + 30_000)?.state, 'half_open');
  store.block('lab', 'quarantined', Number.MAX_VALUE);
  const rows = store.snapshot(NOW);
  assert.deepEqual(
    rows.map(({ obstacle }) => obstacle),
    Array(3).fill({ reason: 'quarantined', until: null, source: 'default' }),
  );
});

test('what is over is not shown', () => {
  const store = storeOf();
  store.block('lab/a', 'rate_limited', NOW + 1000);
  const permit = permitFor(store, 'lab/b', NOW);
  permit.sent(NOW);
  permit.learn([{ ...quota, remaining: 7, resetAt: NOW + 1000 }], 'target');
  const rows = store.snapshot(NOW + 1000);
  assert.ok(rows.every(({ cooldowns, quotas }) => cooldowns.length + quotas.length === 0));
});

test('cooldowns, breakers, quotas and counters survive a restart, and go on as before', () => {
  const store = storeOf(options);
  for (const at of [NOW - 30_000, NOW - 1000]) {
    const permit = permitFor(store, 'lab/b', at, { tokens: 100, endpoint: 'chat' });
    permit.sent(at);
    permit.settle(at, { result: 'success', tokens: 90 });
  }
  const teller = permitFor(store, 'lab/b', NOW);
  teller.sent(NOW);
  teller.learn([{ ...quota, remaining: 0, resetAt: NOW + 300_000 }], 'target');
  const next = restarted(store, NOW);
  assert.equal(next.check(a, NOW, chat)?.source, 'limits.requestsPerMinute');
  const until = next.check(a, NOW, chat)?.until ?? 0;
  assert.ok(until >= NOW + 30_000 && until <= NOW + 32_000);
  assert.equal(next.check(named('lab/b'), NOW + 100_000, chat)?.source, 'x-ratelimit-remaining');
  assert.equal(next.snapshot(NOW)[0]?.limits[1]?.used, 180);

  store.block('lab/a', 'rate_limited', NOW + 200_000, { source: 'retry-after' });
  assert.equal(restarted(store, NOW).check(a, NOW, chat)?.until, NOW + 200_000);
});

test('an open breaker is open after a restart, and opens for longer when its probe fails', () => {
  const store = storeOf(options);
  call(store, 'lab/a', NOW, 'failure');
  call(store, 'lab/a', NOW, 'failure');
  const next = restarted(store, NOW);
  assert.equal(next.check(a, NOW, chat)?.until, NOW + 30_000);
  call(next, 'lab/a', NOW + 62_000, 'failure');
  assert.equal(next.check(a, NOW + 62_000, chat)?.until, NOW + 122_000);
});

test('what was reserved counts as sent after a restart, because it may have been', () => {
  const store = storeOf(options);
  for (let count = 0; count < 3; count++) permitFor(store, 'lab/a', NOW);
  assert.equal(restarted(store, NOW).check(a, NOW, chat)?.source, 'limits.requestsPerMinute');
});

test('what we sent ourselves is taken off a quota that is saved', () => {
  const store = storeOf(options);
  const teller = permitFor(store, 'lab/a', NOW);
  teller.sent(NOW);
  teller.learn([{ ...quota, remaining: 1, resetAt: NOW + 5000 }], 'target');
  permitFor(store, 'lab/a', NOW).sent(NOW);
  assert.equal(restarted(store, NOW).check(a, NOW, chat)?.obstacle, 'quota_exhausted');
});

test('a restart gives a refused credential and a missing model another chance', () => {
  const store = storeOf(options);
  store.block('lab', 'quarantined', NOW + 1000);
  store.block('lab/a', 'model_missing', NOW + 1000);
  store.block('lab/a', 'rate_limited', NOW + 500, { endpoint: 'embeddings' });
  const next = restarted(store, NOW);
  assert.equal(next.check(a, NOW, chat), null);
  assert.equal(next.check(a, NOW, { ...chat, endpoint: 'embeddings' })?.obstacle, 'rate_limited');
});

test('what is over, and what nobody names any more, does not come back', () => {
  const store = storeOf({ ...options, models: {} });
  store.block('lab/gone', 'rate_limited', NOW + 1000);
  call(store, 'lab/a', NOW, 'success');
  const later = NOW + 10 * 86_400_000;
  assert.deepEqual(Object.keys(restarted(store, later).save(later)), []);
  for (let count = 0; count < 2; count++) call(store, 'lab/a', NOW, 'failure');
  assert.equal(store.save(NOW)['lab/a'], undefined, 'a target that nobody names is not even saved');
  const broken = storeOf(options);
  for (let count = 0; count < 2; count++) call(broken, 'lab/a', NOW, 'failure');
  assert.deepEqual(
    [broken.save(NOW), broken.save(later)].map((state) => Object.keys(state).length),
    [2, 0],
  );
  assert.equal(restarted(store, NOW).snapshot(NOW).length, 3);
  const stranger = storeOf({}, {});
  stranger.restore({ nobody: { cooldowns: [] }, 'lab/x': 1, __proto__: { lab: 1 } }, NOW);
  assert.deepEqual(Object.keys(stranger.save(NOW)), []);
});

test('a deadline that lies years ahead came from a wrong clock, and is not taken over', () => {
  const store = storeOf(options);
  const saved = storeOf(options);
  saved.block('lab/a', 'rate_limited', NOW + 1e12);
  store.restore(JSON.parse(JSON.stringify(saved.save(NOW))), NOW);
  assert.equal(store.check(a, NOW, chat), null);
});

test('what a clock counted that was set back since then counts as of now', () => {
  const store = storeOf(options);
  const state = JSON.parse(JSON.stringify(store.save(NOW)));
  const windows = {
    requestsPerMinute: [
      [NOW, 1],
      [NOW + 1, 1],
      [NOW + 1e12, 1],
    ],
  };
  store.restore({ ...state, lab: { cooldowns: [], quotas: [], windows, breaker: null } }, NOW);
  const block = store.check(a, NOW, chat);
  assert.equal(block?.source, 'limits.requestsPerMinute');
  assert.ok(block.until !== null && block.until <= NOW + 62_000);
  assert.equal(store.check(a, block.until, chat), null);
});

test('a state that is not what was saved is passed over, and what is right beside it is taken', () => {
  const saved = storeOf(options);
  saved.block('lab', 'rate_limited', NOW + 1000);
  saved.block('lab/a', 'rate_limited', NOW + 5000);
  const state = JSON.parse(JSON.stringify(saved.save(NOW)));
  state['lab/a'].cooldowns[0].until = 'soon';
  const store = storeOf(options);
  store.restore(state, NOW);
  assert.equal(store.check(a, NOW, chat)?.until, NOW + 1000);
});

test('no input at all makes restoring throw or a store unusable', () => {
  const text = JSON.stringify(
    (() => {
      const store = storeOf(options);
      call(store, 'lab/a', NOW, 'failure');
      call(store, 'lab/a', NOW, 'failure');
      store.block('lab', 'rate_limited', NOW + 1000);
      return store.save(NOW);
    })(),
  );
  const damaged = fc
    .tuple(fc.nat({ max: text.length - 1 }), fc.constantFrom('0', '9', '-', '[', 'e', '"', 'null', '{}'))
    .map(([at, by]) => {
      try {
        return JSON.parse(text.slice(0, at) + by + text.slice(at + 1)) as unknown;
      } catch {
        return null;
      }
    });
  const scopes = fc.dictionary(fc.constantFrom('lab', 'lab/a', 'x'), fc.anything());
  fc.assert(
    fc.property(fc.oneof(fc.anything(), scopes, damaged), (state) => {
      const store = storeOf(options);
      store.restore(state, NOW);
      const later = NOW + 3 * 86_400_000;
      const permit = permitFor(store, 'lab/b', later);
      permit.sent(later);
      permit.settle(later, { result: 'success', tokens: 5 });
      assert.equal(store.snapshot(later)[0]?.limits[1]?.used, 5);
    }),
    { numRuns: 500 },
  );
});
