import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, chat, isPermit, named, permitFor, storeOf } from './availability-fixture.js';

const a = named('lab/a');
const breaker = { failures: 3, window: '10s', open: '1s' };

/** A store whose lab/a failed three times at the moment 0, so that it is open until 1000. */
function opened() {
  const store = storeOf({ breaker });
  for (let count = 0; count < 3; count++) call(store, 'lab/a', 0, 'failure');
  return store;
}

test('failures in a row open the breaker of that target alone, for its time', () => {
  const store = storeOf({ breaker });
  call(store, 'lab/a', 0, 'failure');
  call(store, 'lab/a', 0, 'failure');
  assert.equal(store.check(a, 0, chat), null);
  call(store, 'lab/a', 0, 'failure');
  assert.deepEqual(store.check(a, 0, chat), { obstacle: 'breaker_open', until: 1000, source: 'breaker' });
  assert.equal(store.check(named('lab/b'), 0, chat), null);
});

test('a success between failures breaks the row', () => {
  const store = storeOf({ breaker });
  for (const result of ['failure', 'failure', 'success', 'failure', 'failure'] as const) {
    call(store, 'lab/a', 0, result);
  }
  assert.equal(store.check(a, 0, chat), null);
});

test('half of enough calls within the window open it without a row', () => {
  const store = storeOf({ breaker });
  for (const result of ['failure', 'success', 'failure', 'success', 'success'] as const) {
    call(store, 'lab/a', 0, result);
  }
  assert.equal(store.check(a, 0, chat), null, 'five calls are too few');
  call(store, 'lab/a', 0, 'failure');
  assert.equal(store.check(a, 0, chat)?.obstacle, 'breaker_open');
});

test('failures that are older than the window do not count into the rate', () => {
  const store = storeOf({ breaker });
  for (const result of ['failure', 'success', 'failure', 'success', 'success'] as const) {
    call(store, 'lab/a', 0, result);
  }
  call(store, 'lab/a', 12_000, 'failure');
  assert.equal(store.check(a, 12_000, chat), null);
});

test('what says nothing about the target is not scored', () => {
  const store = storeOf({ breaker });
  for (let count = 0; count < 20; count++) call(store, 'lab/a', 0, 'neutral');
  call(store, 'lab/a', 0, 'failure');
  call(store, 'lab/a', 0, 'neutral');
  call(store, 'lab/a', 0, 'failure');
  assert.equal(store.check(a, 0, chat), null, 'two failures of twenty-three');
  call(store, 'lab/a', 0, 'failure');
  assert.equal(store.check(a, 0, chat)?.obstacle, 'breaker_open', 'a neutral call does not break the row');
});

test('when its time is over one call is let through, and only one', () => {
  const store = opened();
  permitFor(store, 'lab/a', 1000);
  assert.deepEqual(store.check(a, 1000, chat), {
    obstacle: 'breaker_open',
    until: null,
    source: 'breaker probe',
  });
});

test('a probe that succeeds closes the breaker, and old failures are forgotten', () => {
  const store = opened();
  call(store, 'lab/a', 1000, 'success');
  call(store, 'lab/a', 1000, 'failure');
  call(store, 'lab/a', 1000, 'failure');
  assert.equal(store.check(a, 1000, chat), null);
});

test('a probe that fails opens it for twice as long, up to ten times, until one succeeds', () => {
  const store = opened();
  let now = 1000;
  const lengths = [2000, 4000, 8000, 10_000, 10_000];
  for (const length of lengths) {
    call(store, 'lab/a', now, 'failure');
    assert.equal(store.check(a, now, chat)?.until, now + length);
    now += length;
  }
  call(store, 'lab/a', now, 'success');
  for (let count = 0; count < 3; count++) call(store, 'lab/a', now, 'failure');
  assert.equal(store.check(a, now, chat)?.until, now + 1000);
});

test('a probe that says nothing, or was never sent, leaves its place to the next', () => {
  const store = opened();
  call(store, 'lab/a', 1000, 'neutral');
  permitFor(store, 'lab/a', 1000).release(1000);
  const third = permitFor(store, 'lab/a', 1000);
  assert.equal(isPermit(store.reserve(a, 1000, chat)), false);
  third.sent(1000);
  third.settle(1001, { result: 'success', tokens: null });
  assert.equal(store.snapshot(1001)[1]?.breaker?.state, 'closed');
});

test('only a call that began after the breaker opened can close it', () => {
  const store = storeOf({ breaker });
  const early = [permitFor(store, 'lab/a', 0), permitFor(store, 'lab/a', 0)];
  for (let count = 0; count < 3; count++) call(store, 'lab/a', 1, 'failure');
  early[0]?.settle(2, { result: 'success', tokens: null });
  assert.equal(store.check(a, 2, chat)?.until, 1001);
  early[1]?.settle(1500, { result: 'success', tokens: null });
  assert.equal(store.snapshot(1500)[1]?.breaker?.state, 'half_open');
});

test('failures that come late from before do not open it again', () => {
  const store = storeOf({ breaker });
  const early = Array.from({ length: 5 }, () => permitFor(store, 'lab/a', 0));
  for (let count = 0; count < 3; count++) call(store, 'lab/a', 1, 'failure');
  call(store, 'lab/a', 1001, 'success');
  for (const permit of early) permit.settle(1002, { result: 'failure', tokens: null });
  assert.equal(store.check(a, 1002, chat), null);
});

test('a breaker that is turned off never opens', () => {
  const store = storeOf({ breaker: false });
  for (let count = 0; count < 100; count++) call(store, 'lab/a', 0, 'failure');
  assert.equal(store.check(a, 0, chat), null);
});
