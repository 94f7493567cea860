import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTab, type Hold } from '../../src/budgets/tab.js';
import { parseConfig } from '../../src/config.js';
import { createMemoryLimits } from '../../src/limits/memory-store.js';
import type { LimitPermit, LimitStore } from '../../src/limits/store.js';
import { type Availability, createAvailability, type Permit } from '../../src/routing/availability.js';
import { named, permitFor } from '../unit/availability-fixture.js';
import { shareFiles } from './fixture.js';

/** What three workers answer, whoever of them is asked, is what one process would answer to the same questions. */
const WORKERS = 3;
const START = 2_000_000_000_000;
const who = fc.nat({ max: WORKERS - 1 });
const wait = fc.record({
  do: fc.constant('wait' as const),
  ms: fc.oneof(fc.nat({ max: 2000 }), fc.nat({ max: 90_000 })),
});
const runs = { numRuns: 40 };

/** Each step is a turn of its own: what was looked at is looked at again. */
const turn = () => Promise.resolve();

function oneOf<Value>(values: Value[], which: number): Value | undefined {
  const [found] = values.length === 0 ? [] : values.splice(which % values.length, 1);
  return found;
}

const limits = {
  requestsPerMinute: 6,
  tokensPerMinute: 200,
  requestsPerHour: 20,
  tokensPerHour: null,
  requestsPerDay: null,
  tokensPerDay: 900,
  concurrency: 4,
};

const limitSteps = fc.array(
  fc.oneof(
    wait,
    fc.record({ do: fc.constant('admit' as const), who }),
    fc.record({ do: fc.constant('tokens' as const), which: fc.nat(), tokens: fc.nat({ max: 150 }) }),
    fc.record({
      do: fc.constant('settle' as const),
      which: fc.nat(),
      tokens: fc.option(fc.nat({ max: 200 })),
    }),
    fc.record({ do: fc.constant('look' as const), who }),
  ),
  { minLength: 20, maxLength: 60, size: 'max' },
);

test('limits of keys are the same for three workers as for one process', async () => {
  await fc.assert(
    fc.asyncProperty(limitSteps, async (steps) => {
      const { worker, files, failures } = shareFiles();
      const shared = [1, 2, 3].map((id) => createMemoryLimits(worker(id, 'limits')));
      const single = createMemoryLimits();
      const open: { one: LimitPermit; other: LimitPermit }[] = [];
      let now = START;
      for (const step of steps) {
        await turn();
        if (step.do === 'wait') now += step.ms;
        else if (step.do === 'admit') {
          const [one, other] = [single, storeAt(shared, step.who)].map((store) =>
            store.admit('web', limits, now),
          );
          if (isPermit(one) && isPermit(other)) open.push({ one, other });
          else assert.deepEqual(other, one);
        } else if (step.do === 'tokens') {
          const pair = open[step.which % Math.max(1, open.length)];
          if (pair === undefined) continue;
          const answer = pair.one.reserveTokens(now, step.tokens);
          assert.deepEqual(pair.other.reserveTokens(now, step.tokens), answer);
        } else if (step.do === 'settle') {
          const pair = oneOf(open, step.which);
          pair?.one.settle(now, step.tokens);
          pair?.other.settle(now, step.tokens);
        } else {
          const seen = storeAt(shared, step.who).standings('web', limits, now);
          assert.deepEqual(seen, single.standings('web', limits, now));
        }
      }
      assert.deepEqual(failures, []);
      files.close();
    }),
    runs,
  );
});

function storeAt<Store>(stores: readonly Store[], who: number): Store {
  const store = stores[who];
  assert.ok(store);
  return store;
}

function isPermit(answer: ReturnType<LimitStore['admit']> | undefined): answer is LimitPermit {
  return answer !== undefined && 'settle' in answer;
}

const tabSteps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('reserve' as const), who, amount: fc.nat({ max: 40 }) }),
    fc.record({ do: fc.constant('settle' as const), which: fc.nat(), cost: fc.nat({ max: 50 }) }),
    fc.record({ do: fc.constant('add' as const), who, amount: fc.nat({ max: 10 }) }),
    fc.record({ do: fc.constant('rebase' as const), who, others: fc.nat({ max: 20 }) }),
  ),
  { minLength: 20, maxLength: 60, size: 'max' },
);

test('a budget is the same for three workers as for one process', async () => {
  await fc.assert(
    fc.asyncProperty(tabSteps, async (steps) => {
      const { worker, files, failures } = shareFiles();
      const shared = [1, 2, 3].map((id) => createTab('key total 0 web', worker(id, 'budgets')));
      const single = createTab();
      const open: { one: Hold; other: Hold }[] = [];
      for (const step of steps) {
        await turn();
        if (step.do === 'settle') {
          const pair = oneOf(open, step.which);
          pair?.one.settle(step.cost);
          pair?.other.settle(step.cost);
        } else if (step.do === 'reserve') {
          const [one, other] = [single, storeAt(shared, step.who)].map((tab) =>
            tab.reserve(step.amount, 300),
          );
          assert.equal(one == null, other == null);
          if (one && other) open.push({ one, other });
        } else if (step.do === 'add') {
          for (const tab of [single, storeAt(shared, step.who)]) tab.add(step.amount);
        } else {
          for (const tab of [single, storeAt(shared, step.who)]) {
            tab.refresh();
            tab.rebase(tab.own + step.others, tab.own);
          }
        }
        await turn();
        for (const tab of shared) {
          tab.refresh();
          assert.deepEqual(stateOf(tab), stateOf(single));
        }
      }
      assert.deepEqual(failures, []);
      files.close();
    }),
    runs,
  );
});

function stateOf({ spent, reserved, own, isBased }: ReturnType<typeof createTab>) {
  return { spent, reserved, own, isBased };
}

const model = fc.constantFrom('a', 'b');
const availabilitySteps = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: wait },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('reserve' as const), who, model, tokens: fc.nat({ max: 120 }) }),
    },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('send' as const), which: fc.nat() }) },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('settle' as const),
        which: fc.nat(),
        result: fc.constantFrom(
          'success' as const,
          'failure' as const,
          'failure' as const,
          'neutral' as const,
        ),
        tokens: fc.option(fc.nat({ max: 150 })),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('block' as const), who, model, ms: fc.nat({ max: 3000 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('learn' as const), which: fc.nat(), left: fc.nat({ max: 12 }) }),
    },
  ),
  { minLength: 40, maxLength: 100, size: 'max' },
);

/** The provider says what is left when `left` is given; a tenth of this limit, so that it always matters. */
const LIMIT = 12;

const quotas = 'with quotas';
const configs: readonly [what: string, lab: object][] = [
  [quotas, { breaker: false }],
  [
    'with limits',
    {
      limits: { requestsPerMinute: 8, tokensPerMinute: 400, requestsPerDay: 40, concurrency: 3 },
      breaker: false,
    },
  ],
  ['with breakers', { breaker: { failures: 3, window: '30s', open: '5s' } }],
  [
    'with both',
    {
      limits: { requestsPerMinute: 20, concurrency: 5 },
      breaker: { failures: 2, window: '30s', open: '5s' },
    },
  ],
];

for (const [what, lab] of configs) {
  test(`what is known of a provider ${what} is the same for three workers as for one process`, async () => {
    await fc.assert(
      fc.asyncProperty(availabilitySteps, async (steps) => {
        const { worker, files, failures } = shareFiles();
        const config = parseConfig(
          { providers: { lab: { type: 'ollama', models: { a: {}, b: {} }, ...lab } } },
          {},
        );
        const shared = [1, 2, 3].map((id) => createAvailability(config, worker(id, 'availability')));
        const single = createAvailability(config);
        if (what === quotas) await teach(single, shared);
        const known = what === quotas ? steps : steps.filter((step) => step.do !== 'learn');
        await compare(known, single, shared);
        assert.deepEqual(failures, []);
        files.close();
      }),
      runs,
    );
  });
}

/** From here on little is left, so every request counts for all. */
async function teach(single: Availability, [first]: readonly Availability[]): Promise<void> {
  assert.ok(first);
  for (const model of ['a', 'b']) {
    for (const store of [single, first]) {
      const permit = permitFor(store, `lab/${model}`, START);
      permit.sent(START);
      permit.learn([quota(12, START)], 'target');
      permit.settle(START, { result: 'success', tokens: null });
    }
    await turn();
  }
}

type Step = typeof availabilitySteps extends fc.Arbitrary<(infer One)[]> ? One : never;

async function compare(steps: readonly Step[], single: Availability, shared: readonly Availability[]) {
  const open: { model: string; permits: Permit[] }[] = [];
  let now = START;
  for (const step of steps) {
    await turn();
    if (step.do === 'wait') now += step.ms;
    else if (step.do === 'reserve') {
      const needs = { tokens: step.tokens, endpoint: 'chat' };
      const answers = [single, storeAt(shared, step.who)].map((store) =>
        store.reserve(named(`lab/${step.model}`), now, needs),
      );
      const permits = answers.filter((answer) => 'settle' in answer);
      if (permits.length === 2) open.push({ model: step.model, permits });
      else assert.deepEqual(answers[1], answers[0]);
    } else if (step.do === 'block') {
      const key = step.model === 'a' ? 'lab' : 'lab/b';
      for (const store of [single, storeAt(shared, step.who)])
        store.block(key, 'rate_limited', now + step.ms);
    } else if (step.do === 'settle') {
      const call = oneOf(open, step.which);
      const isSuccess = step.result === 'success' && stateOfBreaker(single, call?.model, now) === 'closed';
      // Successes that nothing depends on are told later: another test is about them.
      const result = isSuccess ? 'neutral' : step.result;
      for (const permit of call?.permits ?? []) permit.settle(now, { result, tokens: step.tokens });
    } else {
      for (const permit of open[step.which % Math.max(1, open.length)]?.permits ?? []) {
        if (step.do === 'send') permit.sent(now);
        else permit.learn([quota(step.left, now)], 'target');
      }
    }
    await turn();
    for (const store of shared) {
      for (const each of ['lab/a', 'lab/b']) {
        const needs = { tokens: 10, endpoint: 'chat' };
        assert.deepEqual(store.check(named(each), now, needs), single.check(named(each), now, needs));
      }
    }
  }
}

function quota(remaining: number, now: number) {
  const resetAt = now + 3_600_000;
  return {
    resource: 'requests' as const,
    windowMs: 60_000,
    limit: LIMIT,
    remaining,
    resetAt,
    source: 'header',
  };
}

function stateOfBreaker(store: Availability, model: string | undefined, now: number) {
  return store.snapshot(now).find((row) => row.model === model)?.breaker?.state;
}
