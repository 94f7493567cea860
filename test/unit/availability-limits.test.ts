import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Block } from '../../src/routing/availability.js';
import { chat, isPermit, named, permitFor, storeOf } from './availability-fixture.js';

const a = named('lab/a');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** What refuses a request of so many tokens; null when it fits. */
function refusal(store: ReturnType<typeof storeOf>, now: number, tokens = 0): Block | null {
  return store.check(a, now, { tokens, endpoint: 'chat' });
}

function use(store: ReturnType<typeof storeOf>, now: number, tokens = 0, actual: number | null = null) {
  const permit = permitFor(store, 'lab/a', now, { tokens, endpoint: 'chat' });
  permit.sent(now);
  permit.settle(now, { result: 'success', tokens: actual });
}

test('requests per minute: the last one that fits goes, the next waits until the first is forgotten', () => {
  const store = storeOf({ limits: { requestsPerMinute: 3 } });
  for (const at of [0, 10_000, 20_000]) use(store, at);
  const block = refusal(store, 30_000);
  assert.deepEqual([block?.obstacle, block?.source], ['limit_exhausted', 'limits.requestsPerMinute']);
  const until = block?.until ?? 0;
  assert.ok(until >= MINUTE && until <= MINUTE + 2000, `a minute and at most two seconds, not ${until}`);
  assert.equal(refusal(store, until - 1)?.obstacle, 'limit_exhausted');
  assert.equal(refusal(store, until), null);
  use(store, until);
  assert.equal(refusal(store, until)?.obstacle, 'limit_exhausted', 'only one of the three was forgotten');
});

test('limits are those of the account: every model of the provider counts', () => {
  const store = storeOf({ limits: { requestsPerMinute: 1 } });
  use(store, 0);
  assert.equal(store.check(named('lab/b'), 0, chat)?.obstacle, 'limit_exhausted');
});

test('what is reserved counts before it is sent, however long that takes', () => {
  const store = storeOf({ limits: { requestsPerMinute: 1 } });
  const slow = permitFor(store, 'lab/a', 0);
  const block = refusal(store, 10 * MINUTE);
  assert.deepEqual([block?.obstacle, block?.until], ['limit_exhausted', null]);
  slow.sent(10 * MINUTE);
  slow.settle(10 * MINUTE, { result: 'success', tokens: null });
  assert.ok((refusal(store, 10 * MINUTE)?.until ?? 0) >= 11 * MINUTE, 'it counts from when it was sent');
});

test('a request that was never sent gives back what it took, whatever became of it', () => {
  const store = storeOf({ limits: { requestsPerMinute: 1, tokensPerMinute: 10, concurrency: 1 } });
  const needs = { tokens: 10, endpoint: 'chat' };
  const released = permitFor(store, 'lab/a', 0, needs);
  released.release(0);
  released.sent(0);
  permitFor(store, 'lab/a', 0, needs).settle(0, { result: 'failure', tokens: 7 });
  assert.equal(refusal(store, 0, 10), null);
  use(store, 3 * MINUTE);
  assert.equal(
    refusal(store, 3 * MINUTE)?.source,
    'limits.requestsPerMinute',
    'nothing was given back twice',
  );
});

test('a permit is settled once: later calls change nothing', () => {
  const store = storeOf({ limits: { tokensPerMinute: 100, concurrency: 2 } });
  const permit = permitFor(store, 'lab/a', 0, { tokens: 50, endpoint: 'chat' });
  permitFor(store, 'lab/b', 0);
  permit.sent(0);
  permit.settle(0, { result: 'success', tokens: 20 });
  permit.settle(0, { result: 'failure', tokens: 0 });
  permit.release(0);
  permit.sent(0);
  assert.equal(refusal(store, 0, 80), null);
  assert.equal(refusal(store, 0, 81)?.obstacle, 'limit_exhausted');
  assert.deepEqual(
    store.snapshot(0).map(({ in_flight }) => in_flight),
    [1, 0, 1],
  );
});

test('tokens are counted as estimated, and corrected when the answer tells them', () => {
  const store = storeOf({ limits: { tokensPerMinute: 100 } });
  use(store, 0, 60, 10);
  assert.equal(refusal(store, 0, 90), null);
  use(store, 0, 50, 95);
  assert.equal(refusal(store, 0, 1)?.obstacle, 'limit_exhausted', 'more were used than there are');
  assert.equal(refusal(store, 0, 0), null, 'a request without tokens needs none');
});

test('without a count from the provider the estimate stands', () => {
  const store = storeOf({ limits: { tokensPerMinute: 100 } });
  use(store, 0, 60, null);
  assert.equal(refusal(store, 0, 41)?.obstacle, 'limit_exhausted');
});

test('a correction long after the window changes nothing any more', () => {
  const store = storeOf({ limits: { tokensPerMinute: 100 } });
  const permit = permitFor(store, 'lab/a', 0, { tokens: 60, endpoint: 'chat' });
  permit.sent(0);
  use(store, 5 * MINUTE, 100);
  permit.settle(5 * MINUTE, { result: 'success', tokens: 1 });
  assert.equal(refusal(store, 5 * MINUTE, 1)?.obstacle, 'limit_exhausted');
});

test('nonsense in token counts does not spoil the sums', () => {
  const store = storeOf({ limits: { tokensPerMinute: 100 } });
  for (const actual of [Number.NaN, -5, 0]) use(store, 0, 60, actual);
  use(store, 0, -1, 40);
  use(store, 0, Number.NaN, null);
  assert.equal(refusal(store, 0, 60), null);
  assert.equal(refusal(store, 0, 61)?.obstacle, 'limit_exhausted');
  use(store, 0, 1, Number.POSITIVE_INFINITY);
  assert.equal(refusal(store, 3 * MINUTE, 100), null);
});

test('a request that is larger than a whole limit is refused without a time to wait for', () => {
  const store = storeOf({ limits: { tokensPerMinute: 100 } });
  assert.deepEqual(refusal(store, 0, 101), {
    obstacle: 'limit_too_small',
    until: null,
    source: 'limits.tokensPerMinute',
  });
  store.block('lab', 'rate_limited', 1e6);
  assert.equal(refusal(store, 0, 101)?.obstacle, 'limit_too_small', 'no deadline changes that');
});

test('requests and tokens per day hold for any 24 hours and are free at most 20 minutes later', () => {
  for (const limits of [{ requestsPerDay: 2 }, { tokensPerDay: 200 }]) {
    const store = storeOf({ limits });
    use(store, 3 * HOUR, 100);
    use(store, 20 * HOUR, 100);
    assert.equal(refusal(store, 26.9 * HOUR, 100)?.obstacle, 'limit_exhausted');
    const until = refusal(store, 26.9 * HOUR, 100)?.until ?? 0;
    assert.ok(until >= 27 * HOUR && until <= 27 * HOUR + 20 * MINUTE + 1000);
    assert.equal(refusal(store, until, 100), null);
  }
});

test('of several exhausted limits the one that is free last is told', () => {
  const store = storeOf({ limits: { requestsPerMinute: 1, requestsPerDay: 1 } });
  use(store, 0);
  assert.equal(refusal(store, 0)?.source, 'limits.requestsPerDay');
});

test('concurrency: a call that ends makes room, however it ends', () => {
  const store = storeOf({ limits: { concurrency: 2 } });
  const permits = [permitFor(store, 'lab/a', 0), permitFor(store, 'lab/b', 0)];
  assert.deepEqual(refusal(store, 0), {
    obstacle: 'concurrency_full',
    until: null,
    source: 'limits.concurrency',
  });
  permits[0]?.settle(1, { result: 'failure', tokens: null });
  permits[1]?.release(1);
  permitFor(store, 'lab/a', 1);
  permitFor(store, 'lab/a', 1);
  assert.equal(refusal(store, 1)?.obstacle, 'concurrency_full');
});

test('a clock that is set back a little or a year makes neither room nor a block for ever', () => {
  const store = storeOf({ limits: { requestsPerMinute: 1 } });
  const late = 400 * 24 * HOUR;
  use(store, late);
  assert.equal(refusal(store, late - 500)?.obstacle, 'limit_exhausted');
  const early = 35 * 24 * HOUR;
  assert.equal(refusal(store, early)?.obstacle, 'limit_exhausted');
  assert.equal(refusal(store, early + MINUTE + 2000), null);
});

test('a burst of 200 against 30 per minute and an unlimited second: every request has a place, the first gets 30', () => {
  const store = storeOf(
    { limits: { requestsPerMinute: 30 } },
    { wide: { type: 'ollama', models: { a: {} } } },
  );
  const sent = { lab: 0, wide: 0 };
  const skips: string[] = [];
  for (let request = 0; request < 200; request++) {
    const first = store.reserve(a, 1000, chat);
    if (isPermit(first)) {
      first.sent(1000);
      sent.lab++;
      continue;
    }
    skips.push(`${first.obstacle} ${first.source}`);
    permitFor(store, 'wide/a', 1000).sent(1000);
    sent.wide++;
  }
  assert.deepEqual(sent, { lab: 30, wide: 170 });
  assert.deepEqual([...new Set(skips)], ['limit_exhausted limits.requestsPerMinute']);
});
