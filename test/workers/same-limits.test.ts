import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTab, type Hold } from '../../src/budgets/tab.js';
import { createMemoryLimits } from '../../src/limits/memory-store.js';
import type { LimitPermit, LimitStore } from '../../src/limits/store.js';
import { shareFiles } from './fixture.js';
import { oneOf, runs, START, storeAt, turn, wait, who } from './same-fixture.js';

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
