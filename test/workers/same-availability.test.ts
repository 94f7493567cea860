import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfig } from '../../src/config.js';
import { type Availability, createAvailability, type Permit } from '../../src/routing/availability.js';
import { named, permitFor } from '../unit/availability-fixture.js';
import { shareFiles } from './fixture.js';
import { oneOf, runs, START, storeAt, turn, wait, who } from './same-fixture.js';

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
