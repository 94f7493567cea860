import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Quota } from '../../src/routing/quota.js';
import { chat, isPermit, named, permitFor, storeOf } from './availability-fixture.js';

const a = named('lab/a');

function requestsLeft(remaining: number | null, resetAt: number | null = 1000): Quota {
  return { resource: 'requests', windowMs: 60_000, limit: 10, remaining, resetAt, source: 'x-requests' };
}

function tokensLeft(remaining: number, resetAt = 1000): Quota {
  return { resource: 'tokens', windowMs: 60_000, limit: 500, remaining, resetAt, source: 'x-tokens' };
}

function sentPermit(store: ReturnType<typeof storeOf>, tokens = 0) {
  const permit = permitFor(store, 'lab/a', 0, { tokens, endpoint: 'chat' });
  permit.sent(0);
  return permit;
}

const done = { result: 'success', tokens: null } as const;

test('when the provider says that nothing is left, nothing is sent until its reset', () => {
  const store = storeOf();
  const permit = sentPermit(store);
  permit.learn([requestsLeft(0)], 'target');
  permit.settle(0, done);
  assert.deepEqual(store.check(a, 999, chat), {
    obstacle: 'quota_exhausted',
    until: 1000,
    source: 'x-requests',
  });
  assert.equal(store.check(a, 1000, chat), null);
  assert.equal(store.check(named('lab/b'), 0, chat), null, 'it spoke of one model');
});

test('a quota of the account holds for all its models', () => {
  const store = storeOf();
  sentPermit(store).learn([requestsLeft(0)], 'provider');
  assert.equal(store.check(named('lab/b'), 0, chat)?.obstacle, 'quota_exhausted');
});

test('what was sent since counts against what is left, so a burst stops before the 429', () => {
  const store = storeOf();
  const teller = sentPermit(store);
  teller.learn([requestsLeft(3)], 'target');
  teller.settle(0, done);
  for (let count = 0; count < 3; count++) permitFor(store, 'lab/a', 0).sent(0);
  assert.equal(store.check(a, 0, chat)?.obstacle, 'quota_exhausted');
});

test('what is reserved and not yet sent counts too, until it is given back', () => {
  const store = storeOf();
  const teller = sentPermit(store);
  teller.learn([requestsLeft(1)], 'target');
  const reserved = permitFor(store, 'lab/a', 0);
  assert.equal(store.check(a, 0, chat)?.obstacle, 'quota_exhausted');
  reserved.release(0);
  assert.equal(store.check(a, 0, chat), null);
});

test('requests that were sent before the one that tells are part of what it tells', () => {
  const store = storeOf();
  const before = [sentPermit(store), sentPermit(store)];
  const teller = sentPermit(store);
  teller.learn([requestsLeft(1)], 'target');
  assert.equal(store.check(a, 0, chat), null);
  for (const permit of before) permit.settle(0, done);
  assert.equal(store.check(a, 0, chat), null);
});

test('an answer that comes late does not replace what a later request was told', () => {
  const store = storeOf();
  const [first, second] = [sentPermit(store), sentPermit(store)];
  second.learn([requestsLeft(0)], 'target');
  first.learn([requestsLeft(1)], 'target');
  assert.equal(store.check(a, 0, chat)?.obstacle, 'quota_exhausted');
  const third = storeOf();
  const [early, late] = [sentPermit(third), sentPermit(third)];
  late.learn([requestsLeft(5)], 'target');
  early.learn([requestsLeft(0)], 'target');
  assert.equal(third.check(a, 0, chat), null);
});

test('our own count alone never blocks a target with nothing under way: one call finds out', () => {
  const store = storeOf();
  const teller = sentPermit(store);
  teller.learn([requestsLeft(1, 1e6)], 'target');
  teller.settle(0, done);
  const failed = sentPermit(store);
  assert.equal(store.check(a, 1, chat)?.obstacle, 'quota_exhausted');
  failed.settle(1, { result: 'failure', tokens: null });
  assert.equal(isPermit(store.reserve(a, 1, chat)), true);
  assert.equal(isPermit(store.reserve(a, 1, chat)), false, 'one, not all');
});

test('a request that needs more tokens than are left waits, a smaller one goes', () => {
  const store = storeOf();
  const teller = sentPermit(store, 10);
  teller.learn([tokensLeft(100)], 'target');
  assert.equal(store.check(a, 0, { tokens: 100, endpoint: 'chat' }), null);
  assert.equal(store.check(a, 0, { tokens: 101, endpoint: 'chat' })?.source, 'x-tokens');
  sentPermit(store, 60);
  assert.equal(store.check(a, 0, { tokens: 41, endpoint: 'chat' })?.source, 'x-tokens');
  assert.equal(store.check(a, 0, { tokens: 40, endpoint: 'chat' }), null);
});

test('with no tokens left a request of unknown size waits too', () => {
  const store = storeOf();
  sentPermit(store).learn([tokensLeft(0)], 'target');
  assert.equal(store.check(a, 0, chat)?.obstacle, 'quota_exhausted');
});

test('of two exhausted quotas the later reset is told', () => {
  const store = storeOf();
  sentPermit(store).learn([requestsLeft(0, 3000), tokensLeft(0, 2000)], 'target');
  assert.equal(store.check(a, 0, chat)?.until, 3000);
});

test('without a number or a reset nothing is made up', () => {
  const store = storeOf();
  sentPermit(store).learn([requestsLeft(null), { ...requestsLeft(0, null), windowMs: null }], 'target');
  assert.equal(store.check(a, 0, chat), null);
});

test('what no sent request was told is not learnt', () => {
  const store = storeOf();
  permitFor(store, 'lab/a', 0).learn([requestsLeft(0)], 'target');
  assert.equal(store.check(a, 0, chat), null);
});
