import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Permit } from '../../src/routing/availability.js';
import { isPermit, named, permitFor, storeOf } from './availability-fixture.js';

const LIMITS = { requestsPerMinute: 4, tokensPerMinute: 100, requestsPerDay: 12, concurrency: 3 };
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** A call that was let through, as the provider and the gateway see it. */
interface Call {
  permit: Permit;
  probe: boolean;
  tokens: number;
  sentAt: number | null;
  /** When it reaches the provider: up to a second after it was sent. */
  arrivedAt: number;
}

const step = fc.oneof(
  fc.record({
    do: fc.constant('wait' as const),
    ms: fc.oneof(fc.nat({ max: 3000 }), fc.nat({ max: 2 * MINUTE }), fc.constant(DAY / 3)),
  }),
  fc.record({
    do: fc.constant('reserve' as const),
    model: fc.constantFrom('a', 'b'),
    tokens: fc.nat({ max: 120 }),
  }),
  fc.record({ do: fc.constant('send' as const), which: fc.nat(), delay: fc.nat({ max: 999 }) }),
  fc.record({
    do: fc.constant('settle' as const),
    which: fc.nat(),
    result: fc.constantFrom('success' as const, 'failure' as const, 'neutral' as const),
    used: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  }),
  fc.record({ do: fc.constant('release' as const), which: fc.nat() }),
);

/** Runs the steps against a store, and checks after each what must hold at any moment. */
function run(steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]) {
  const store = storeOf({ limits: LIMITS, breaker: { failures: 2, window: '1m', open: '5s' } });
  let now = 1_700_000_000_000;
  const open: Call[] = [];
  const arrived: Call[] = [];
  const pick = (which: number) => open[which % Math.max(1, open.length)];
  const close = (call: Call) => open.splice(open.indexOf(call), 1);

  const reserve = (model: string, tokens: number) => {
    const id = `lab/${model}`;
    const row = store.snapshot(now).find((candidate) => candidate.model === model);
    const result = store.reserve(named(id), now, { tokens, endpoint: 'chat' });
    if (isPermit(result)) {
      const probe = row?.breaker?.state === 'half_open';
      open.push({ permit: result, probe, tokens, sentAt: null, arrivedAt: 0 });
    } else if (result.source === 'limits.requestsPerMinute') {
      const recent = arrived.filter(({ sentAt }) => sentAt !== null && sentAt > now - MINUTE - 2000).length;
      const unsent = open.filter(({ sentAt }) => sentAt === null).length;
      assert.ok(recent + unsent >= LIMITS.requestsPerMinute, 'refused although there is room');
      assert.ok(result.until === null || (result.until > now && result.until <= now + MINUTE + 2000));
    }
  };

  for (const todo of steps) {
    if (todo.do === 'wait') now += todo.ms;
    else if (todo.do === 'reserve') reserve(todo.model, todo.tokens);
    else {
      const call = pick(todo.which);
      if (call === undefined) continue;
      if (todo.do === 'send' && call.sentAt === null) {
        call.permit.sent(now);
        call.sentAt = now;
        call.arrivedAt = now + todo.delay;
        arrived.push(call);
      } else if (todo.do === 'settle') {
        const actual = todo.used === null ? null : Math.floor(call.tokens * todo.used);
        call.permit.settle(now, { result: todo.result, tokens: actual });
        call.tokens = actual ?? call.tokens;
        close(call);
      } else if (todo.do === 'release') {
        call.permit.release(now);
        close(call);
      }
    }
    assert.ok(open.length <= LIMITS.concurrency);
    assert.equal(store.snapshot(now)[0]?.in_flight, open.length);
    assert.ok(open.filter(({ probe }) => probe).length <= 2, 'one probe for each of two models');
  }
  for (const call of [...open]) call.permit.release(now);
  return { store, now, arrived };
}

/** The most that reached the provider within any window of this length. */
function peak<T extends { arrivedAt: number }>(
  arrived: readonly T[],
  length: number,
  amount: (call: T) => number,
): number {
  const sums = arrived.map(({ arrivedAt: end }) =>
    arrived
      .filter(({ arrivedAt }) => arrivedAt <= end && arrivedAt > end - length)
      .reduce((sum, call) => sum + amount(call), 0),
  );
  return Math.max(0, ...sums);
}

test('under any interleaving no window holds more than its limit, nothing leaks, and nothing waits without need', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const { store, now, arrived } = run(steps);
      assert.ok(peak(arrived, MINUTE, () => 1) <= LIMITS.requestsPerMinute);
      assert.ok(peak(arrived, MINUTE, ({ tokens }) => tokens) <= LIMITS.tokensPerMinute);
      assert.ok(peak(arrived, DAY, () => 1) <= LIMITS.requestsPerDay);

      const later = now + 2 * DAY;
      for (const row of store.snapshot(later)) {
        assert.equal(row.in_flight, 0);
        assert.ok(row.limits.every(({ used }) => used === 0));
      }
      for (const id of ['lab/a', 'lab/b']) {
        assert.ok(
          isPermit(store.reserve(named(id), later, { tokens: 0, endpoint: 'chat' })),
          'no probe is lost',
        );
      }
    }),
    { numRuns: 300 },
  );
});

test('whoever sends the moment it is allowed stays within the limits, however long requests are on their way', () => {
  const request = fc.record({
    after: fc.nat({ max: 5000 }),
    transit: fc.constantFrom(0, 500, 999),
    tokens: fc.integer({ min: 1, max: 30 }),
  });
  fc.assert(
    fc.property(fc.array(request, { minLength: 10 }), fc.integer({ min: 1, max: 5 }), (requests, limit) => {
      const store = storeOf({ limits: { requestsPerMinute: limit, tokensPerMinute: 60 } });
      const target = named('lab/a');
      const arrived: { arrivedAt: number; tokens: number }[] = [];
      let now = 1_700_000_000_000;
      for (const { after, transit, tokens } of requests) {
        const needs = { tokens, endpoint: 'chat' };
        now += after;
        now = store.check(target, now, needs)?.until ?? now;
        const permit = permitFor(store, 'lab/a', now, needs);
        permit.sent(now);
        permit.settle(now, { result: 'success', tokens: null });
        arrived.push({ arrivedAt: now + transit, tokens });
      }
      assert.ok(peak(arrived, MINUTE, () => 1) <= limit);
      assert.ok(peak(arrived, MINUTE, ({ tokens }) => tokens) <= 60);
    }),
  );
});

test('however answers overtake each other, a cooldown is only ever moved to a later moment', () => {
  const event = fc.record({
    key: fc.constantFrom('lab', 'lab/a'),
    after: fc.nat({ max: 500 }),
    forMs: fc.integer({ min: -100, max: 2000 }),
    succeeds: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const store = storeOf();
      let now = 0;
      let last = 0;
      for (const { key, after, forMs, succeeds } of events) {
        now += after;
        const permit = store.reserve(named('lab/a'), now, { tokens: 0, endpoint: 'chat' });
        if (isPermit(permit)) permit.settle(now, { result: 'success', tokens: null });
        if (!succeeds) {
          store.block(key, 'rate_limited', now + forMs);
          last = Math.max(last, now + forMs);
        }
        const until = store.check(named('lab/a'), now, { tokens: 0, endpoint: 'chat' })?.until ?? null;
        assert.equal(until, last > now ? last : null);
      }
    }),
  );
});
