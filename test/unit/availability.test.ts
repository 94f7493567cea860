import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { call, chat, named, permitFor, storeOf } from './availability-fixture.js';

const a = named('lab/a');
const b = named('lab/b');
const other = { other: { type: 'ollama', models: { a: {}, b: {} } } };

test('a target nothing is known about is free', () => {
  const store = storeOf();
  assert.equal(store.check(a, 0, chat), null);
  assert.equal(store.blocked('lab', 'lab/a', 0), null);
});

test('a block ends at its deadline', () => {
  const store = storeOf();
  store.block('lab/a', 'rate_limited', 100, { source: 'retry-after' });
  assert.deepEqual(store.check(a, 99, chat), {
    obstacle: 'rate_limited',
    until: 100,
    source: 'retry-after',
    endpoint: null,
  });
  assert.equal(store.check(a, 100, chat), null);
});

test('a block of the provider holds for all its targets, a block of a target for that one', () => {
  const store = storeOf({}, other);
  store.block('lab', 'quarantined', 100);
  store.block('other/a', 'model_missing', 100);
  assert.equal(store.check(a, 0, chat)?.obstacle, 'quarantined');
  assert.equal(store.check(b, 0, chat)?.obstacle, 'quarantined');
  assert.equal(store.check(named('other/a'), 0, chat)?.obstacle, 'model_missing');
  assert.equal(store.check(named('other/b'), 0, chat), null);
});

test('of two blocks the one that lasts longer is told', () => {
  const store = storeOf();
  store.block('lab', 'quarantined', 50);
  store.block('lab/a', 'model_missing', 100);
  assert.equal(store.check(a, 0, chat)?.obstacle, 'model_missing');
  store.block('lab', 'payment_required', 200);
  assert.equal(store.check(a, 0, chat)?.obstacle, 'payment_required');
});

test('an earlier deadline does not shorten a block', () => {
  const store = storeOf();
  store.block('lab/a', 'model_missing', 100);
  store.block('lab/a', 'rate_limited', 50);
  assert.equal(store.blocked('lab', 'lab/a', 0)?.obstacle, 'model_missing');
  assert.equal(store.blocked('lab', 'lab/a', 0)?.until, 100);
});

test('a deadline that is no number changes nothing', () => {
  const store = storeOf();
  store.block('lab/a', 'model_missing', Number.NaN);
  assert.equal(store.check(a, 0, chat), null);
  store.block('lab/a', 'model_missing', 100);
  store.block('lab/a', 'model_missing', Number.NaN);
  assert.equal(store.check(a, 0, chat)?.until, 100);
});

test('a late success does not shorten a cooldown', () => {
  const store = storeOf();
  const early = permitFor(store, 'lab/a', 0);
  early.sent(0);
  store.block('lab/a', 'rate_limited', 100);
  early.settle(10, { result: 'success', tokens: null });
  assert.equal(store.check(a, 99, chat)?.until, 100);
});

test('after a block is over, a new one may end earlier than the old one would have been extended to', () => {
  const store = storeOf();
  store.block('lab/a', 'rate_limited', 100);
  assert.equal(store.check(a, 150, chat), null);
  store.block('lab/a', 'rate_limited', 160);
  assert.equal(store.check(a, 150, chat)?.until, 160);
});

test('a block of one endpoint leaves the others free', () => {
  const store = storeOf();
  store.block('lab/a', 'model_missing', 100, { endpoint: 'embeddings' });
  store.block('lab', 'quarantined', 50, { endpoint: 'embeddings' });
  assert.equal(store.check(a, 0, chat), null);
  assert.equal(store.check(a, 0, { ...chat, endpoint: 'embeddings' })?.obstacle, 'model_missing');
  assert.equal(store.check(b, 0, { ...chat, endpoint: 'embeddings' })?.obstacle, 'quarantined');
  assert.equal(store.blocked('lab', 'lab/a', 0), null);
  store.block('lab/a', 'rate_limited', 20);
  assert.equal(store.check(a, 0, chat)?.until, 20);
  assert.equal(store.check(a, 0, { ...chat, endpoint: 'embeddings' })?.until, 100);
});

test('ten thousand invented model names push out neither declared nor routed targets', () => {
  const store = storeOf({ models: {} }, other, { main: { targets: ['lab/routed', 'other/a'] } });
  store.block('lab/routed', 'rate_limited', 100);
  store.block('other/b', 'rate_limited', 100);
  for (let index = 0; index < 10_000; index++) {
    store.block(`lab/invented-${index}`, 'model_missing', 100);
    call(store, `lab/used-${index}`, 0, 'failure');
  }
  assert.equal(store.check(named('lab/routed'), 0, chat)?.until, 100);
  assert.equal(store.check(named('other/b'), 0, chat)?.until, 100);
  assert.equal(store.check(named('lab/invented-9999'), 0, chat)?.until, 100);
  assert.equal(store.check(named('lab/invented-0'), 0, chat), null);
  assert.ok(store.snapshot(0).length <= 210, 'what is known about the others is bounded');
});

test('a model that is used goes on being known while others are invented', () => {
  const store = storeOf({ models: {}, breaker: { failures: 2 } });
  call(store, 'lab/used', 0, 'failure');
  for (let index = 0; index < 1000; index++) {
    store.block(`lab/invented-${index}`, 'model_missing', 100);
    if (index % 100 === 0) call(store, 'lab/used', 0, 'neutral');
  }
  call(store, 'lab/used', 0, 'failure');
  assert.equal(store.check(named('lab/used'), 0, chat)?.obstacle, 'breaker_open');
});

test('a provider that is not configured is a mistake of the caller of the store', () => {
  assert.throws(() => storeOf().check(named('nobody/a'), 0, chat), /no provider "nobody"/);
});

test('in whatever order blocks come, a target is blocked until the last deadline that concerns it', () => {
  const key = fc.constantFrom('lab', 'lab/a', 'lab/b', 'other');
  const endpoint = fc.constantFrom(null, 'chat', 'embeddings');
  const until = fc.integer({ min: 1, max: 1000 });
  fc.assert(
    fc.property(fc.array(fc.tuple(key, until, endpoint)), fc.nat({ max: 1000 }), (calls, now) => {
      const store = storeOf({}, other);
      for (const [name, end, only] of calls) store.block(name, 'rate_limited', end, { endpoint: only });
      const ends = calls
        .filter(([name, , only]) => ['lab', 'lab/a'].includes(name) && only !== 'embeddings')
        .map(([, end]) => end);
      const last = Math.max(0, ...ends);
      assert.equal(store.check(a, now, chat)?.until ?? null, last > now ? last : null);
    }),
  );
});
