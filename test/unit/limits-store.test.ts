import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LimitsConfig } from '../../src/config.js';
import { duration, setLimitHeaders } from '../../src/limits/headers.js';
import { createMemoryLimits } from '../../src/limits/memory-store.js';
import type { LimitPermit, Refusal, Standings } from '../../src/limits/store.js';
import { readDuration } from './limits-fixture.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.parse('2026-03-01T12:00:00Z');

function limits(fields: Partial<LimitsConfig>): LimitsConfig {
  return {
    requestsPerMinute: null,
    tokensPerMinute: null,
    requestsPerHour: null,
    tokensPerHour: null,
    requestsPerDay: null,
    tokensPerDay: null,
    concurrency: null,
    ...fields,
  };
}

/** A store with one key, and a clock. */
function keyWith(fields: Partial<LimitsConfig>) {
  const store = createMemoryLimits();
  const own = limits(fields);
  let now = START;
  return {
    pass: (ms: number) => {
      now += ms;
    },
    admit(): LimitPermit | Refusal {
      return now_(store.admit('web', own, now));
    },
    reserve: (permit: LimitPermit, tokens: number) => now_(permit.reserveTokens(now, tokens)),
    settle: (permit: LimitPermit, tokens: number | null) => now_(permit.settle(now, tokens)),
    standings: (): Standings => now_(store.standings('web', own, now)),
  };
}

/** The store in memory answers at once. */
function now_<Value>(answer: Value | Promise<Value>): Value {
  assert.ok(!(answer instanceof Promise));
  return answer;
}

function isPermit(found: LimitPermit | Refusal): found is LimitPermit {
  return 'settle' in found;
}

function permitOf(found: LimitPermit | Refusal): LimitPermit {
  assert.ok(isPermit(found), JSON.stringify(found));
  return found;
}

test('the request after the last one that is allowed is refused until the first is forgotten', () => {
  const key = keyWith({ requestsPerMinute: 2 });
  key.settle(permitOf(key.admit()), 0);
  key.pass(10_000);
  key.settle(permitOf(key.admit()), 0);
  const refused = key.admit();
  assert.ok(!isPermit(refused));
  assert.deepEqual([refused.limit, refused.most], ['requestsPerMinute', 2]);
  const wait = refused.retryAfterMs ?? 0;
  assert.ok(wait >= 50_000 && wait <= 51_000, `${wait}`);
  key.pass(wait - 1);
  assert.ok(!isPermit(key.admit()));
  key.pass(1);
  permitOf(key.admit());
});

test('a place is free again when its exchange is settled, and only once', () => {
  const key = keyWith({ concurrency: 2 });
  const first = permitOf(key.admit());
  permitOf(key.admit());
  const refused = key.admit();
  assert.ok(!isPermit(refused));
  assert.deepEqual(refused, { limit: 'concurrency', most: 2, retryAfterMs: 1000 });
  key.settle(first, null);
  key.settle(first, null);
  permitOf(key.admit());
  assert.ok(!isPermit(key.admit()));
});

test('a request that is refused for its tokens has taken neither a request nor a place', () => {
  const key = keyWith({ requestsPerMinute: 3, requestsPerDay: 3, tokensPerMinute: 100, concurrency: 1 });
  const first = permitOf(key.admit());
  assert.equal(key.reserve(first, 60), null);
  key.settle(first, 60);
  for (let count = 0; count < 10; count++) {
    const refused = key.reserve(permitOf(key.admit()), 50);
    assert.equal(refused?.limit, 'tokensPerMinute');
  }
  assert.equal(key.standings().requests?.remaining, 2);
  assert.equal(key.standings().tokens?.remaining, 40);
  assert.equal(key.reserve(permitOf(key.admit()), 40), null);
});

test('a request that is refused for another reason has taken nothing at all', () => {
  const key = keyWith({ requestsPerMinute: 1, tokensPerMinute: 100, concurrency: 1 });
  for (let count = 0; count < 5; count++) {
    const permit = permitOf(key.admit());
    assert.equal(key.reserve(permit, 100), null);
    now_(permit.refuse(START));
    key.settle(permit, 100);
    now_(permit.refuse(START));
  }
  const { requests, tokens } = key.standings();
  assert.deepEqual([requests?.remaining, tokens?.remaining], [1, 100]);
  const over = permitOf(key.admit());
  key.settle(over, 0);
  now_(over.refuse(START));
  assert.equal(key.standings().requests?.remaining, 0, 'what is settled stays');
});

test('a request that is refused for its requests has taken no tokens and no place', () => {
  const key = keyWith({ requestsPerMinute: 1, requestsPerHour: 9, tokensPerMinute: 100, concurrency: 2 });
  key.settle(permitOf(key.admit()), 0);
  for (let count = 0; count < 20; count++) assert.ok(!isPermit(key.admit()));
  key.pass(2 * MINUTE);
  assert.deepEqual([key.standings().requests?.remaining, key.standings().tokens?.remaining], [1, 100]);
  permitOf(key.admit());
});

test('reserved tokens become those that were used, less or more', () => {
  const key = keyWith({ tokensPerMinute: 100 });
  const first = permitOf(key.admit());
  key.reserve(first, 80);
  assert.equal(key.standings().tokens?.remaining, 20);
  key.settle(first, 30);
  assert.equal(key.standings().tokens?.remaining, 70);
  const second = permitOf(key.admit());
  key.reserve(second, 10);
  key.settle(second, 500);
  assert.equal(key.standings().tokens?.remaining, 0);
  assert.equal(key.reserve(permitOf(key.admit()), 1)?.limit, 'tokensPerMinute');
  assert.equal(key.reserve(permitOf(key.admit()), 0), null, 'what needs no tokens may pass');
});

test('what is not known to be used counts as it was reserved', () => {
  const key = keyWith({ tokensPerHour: 100 });
  const permit = permitOf(key.admit());
  key.reserve(permit, 80);
  key.settle(permit, null);
  assert.equal(key.standings().tokens?.remaining, 20);
});

test('a request larger than the whole limit is told so, without a time', () => {
  const key = keyWith({ tokensPerMinute: 100 });
  assert.deepEqual(key.reserve(permitOf(key.admit()), 101), {
    limit: 'tokensPerMinute',
    most: 100,
    retryAfterMs: null,
  });
});

test('the window with the least left is shown, and when it is whole again', () => {
  const key = keyWith({ requestsPerMinute: 10, requestsPerDay: 12 });
  for (let count = 0; count < 9; count++) key.settle(permitOf(key.admit()), 0);
  assert.equal(key.standings().requests?.limit, 10);
  key.pass(2 * MINUTE);
  const later = key.standings().requests;
  assert.deepEqual([later?.limit, later?.remaining], [12, 3]);
  assert.ok((later?.resetMs ?? 0) > DAY - 3 * MINUTE && (later?.resetMs ?? 0) <= DAY + 10 * MINUTE);
  key.pass(DAY + 10 * MINUTE);
  assert.deepEqual(key.standings().requests, { limit: 10, remaining: 10, resetMs: 0 });
});

test('limits that change keep what was counted, and who is in', () => {
  const store = createMemoryLimits();
  const admit = (own: LimitsConfig) => now_(store.admit('web', own, START));
  const narrow = limits({ requestsPerMinute: 2, concurrency: 1 });
  const inside = permitOf(admit(narrow));
  const wide = limits({ requestsPerMinute: 3, concurrency: 2 });
  permitOf(admit(wide));
  assert.ok(!isPermit(admit(wide)));
  now_(inside.settle(START, null));
  permitOf(admit(wide));
  const refused = admit(limits({ requestsPerMinute: 3 }));
  assert.ok(!isPermit(refused) && refused.limit === 'requestsPerMinute');
});

test('each key has its own, and the names of keys are harmless', () => {
  const store = createMemoryLimits();
  const own = limits({ requestsPerMinute: 1 });
  for (const key of ['a', 'b', '__proto__', 'constructor', 'toString']) {
    permitOf(now_(store.admit(key, own, START)));
    assert.ok(!isPermit(now_(store.admit(key, own, START))), key);
  }
});

test('durations are written as OpenAI writes them, and read back as at least as long', () => {
  const written: [number, string][] = [
    [0, '0s'],
    [1, '1ms'],
    [119.2, '120ms'],
    [1000, '1s'],
    [1001, '2s'],
    [60_000, '1m0s'],
    [359_001, '6m0s'],
    [3_600_000, '1h0m0s'],
    [86_399_001, '24h0m0s'],
  ];
  for (const [ms, text] of written) assert.equal(duration(ms), text);
  fc.assert(
    fc.property(fc.nat({ max: 3 * DAY }), (ms) => {
      const read = readDuration(duration(ms));
      assert.ok(read >= ms && read < ms + 1000, `${ms} ${duration(ms)} ${read}`);
    }),
  );
});

test('what does not limit a key is not in its headers', () => {
  const requests = { limit: 5, remaining: 4, resetMs: 12_000 };
  const headers: Record<string, string> = {};
  const sink = { header: (name: string, value: string) => Object.assign(headers, { [name]: value }) };
  setLimitHeaders(sink, { requests, tokens: null });
  assert.deepEqual(headers, {
    'x-ratelimit-limit-requests': '5',
    'x-ratelimit-remaining-requests': '4',
    'x-ratelimit-reset-requests': '12s',
  });
});

type Step =
  | { do: 'begin'; tokens: number }
  | { do: 'end'; which: number; share: number }
  | { do: 'pass'; ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('begin'), tokens: fc.nat({ max: 60 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('end'),
      which: fc.nat({ max: 9 }),
      share: fc.constantFrom(0, 0.3, 1, -1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('pass'),
      ms: fc.oneof(fc.nat({ max: 3000 }), fc.nat({ max: 3 * MINUTE }), fc.nat({ max: 2 * HOUR })),
    }),
  },
);

test('no interleaving exceeds a limit, a refusal takes nothing, and nothing leaks', () => {
  const most = { requestsPerMinute: 4, requestsPerHour: 9, requestsPerDay: 20, concurrency: 3 };
  const mostTokens = { tokensPerMinute: 100, tokensPerHour: 170, tokensPerDay: 400 };
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 120 }), (steps) => {
      const key = keyWith({ ...most, ...mostTokens });
      const begun: { at: number; tokens: number }[] = [];
      let open: { permit: LimitPermit; entry: { at: number; tokens: number }; reserved: number }[] = [];
      let now = 0;
      for (const each of steps) {
        if (each.do === 'pass') {
          key.pass(each.ms);
          now += each.ms;
        } else if (each.do === 'end') {
          const [ended] = open.splice(each.which % Math.max(1, open.length), 1);
          if (ended === undefined) continue;
          const used = each.share < 0 ? null : Math.floor(ended.reserved * each.share);
          key.settle(ended.permit, used);
          key.settle(ended.permit, 1_000_000);
          ended.entry.tokens = used ?? ended.reserved;
        } else {
          const before = key.standings();
          const found = key.admit();
          const refused = isPermit(found) ? key.reserve(found, each.tokens) : found;
          if (refused !== null || !isPermit(found)) {
            assert.deepEqual(key.standings(), before, 'a refusal takes nothing');
            continue;
          }
          const entry = { at: now, tokens: each.tokens };
          begun.push(entry);
          open.push({ permit: found, entry, reserved: each.tokens });
        }
        const within = (ms: number) => begun.filter(({ at }) => at > now - ms);
        const tokens = (ms: number) => within(ms).reduce((sum, entry) => sum + entry.tokens, 0);
        assert.ok(within(MINUTE).length <= 4 && within(HOUR).length <= 9 && within(DAY).length <= 20);
        assert.ok(tokens(MINUTE) <= 100 && tokens(HOUR) <= 170 && tokens(DAY) <= 400);
        assert.ok(open.length <= 3);
      }
      for (const { permit } of open) key.settle(permit, null);
      open = [];
      key.pass(DAY + 11 * MINUTE);
      const { requests, tokens } = key.standings();
      assert.deepEqual([requests?.remaining, tokens?.remaining], [4, 100], 'everything comes back');
      for (let count = 0; count < 3; count++) permitOf(key.admit());
      const full = key.admit();
      assert.ok(!isPermit(full) && full.limit === 'concurrency');
    }),
    { numRuns: 300 },
  );
});
