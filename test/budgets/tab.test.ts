import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTab, type Hold } from '../../src/budgets/tab.js';

const amount = fc.integer({ min: 0, max: 50 });
const step = fc.oneof(
  fc.record({ kind: fc.constant('reserve' as const), amount }),
  fc.record({
    kind: fc.constant('settle' as const),
    which: fc.nat(),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({ kind: fc.constant('again' as const), which: fc.nat(), part: fc.constant(1) }),
);

test('whatever comes in whatever order, no more is spent and set aside than the limit, and nothing leaks', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300 }), fc.array(step, { maxLength: 200 }), (limit, steps) => {
      const tab = createTab();
      const open: Hold[] = [];
      const settled: Hold[] = [];
      let spent = 0;
      for (const each of steps) {
        if (each.kind === 'reserve') {
          const fits = tab.spent + tab.reserved + each.amount <= limit;
          const hold = tab.reserve(each.amount, limit);
          assert.equal(hold !== null, fits, 'refused exactly when it does not fit');
          if (hold !== null) open.push(hold);
        } else if (each.kind === 'settle' && open.length > 0) {
          const [hold] = open.splice(each.which % open.length, 1);
          const cost = Math.floor((hold?.amount ?? 0) * each.part);
          hold?.settle(cost);
          spent += cost;
          if (hold) settled.push(hold);
        } else if (settled.length > 0) {
          settled[each.kind === 'again' ? each.which % settled.length : 0]?.settle(1000);
        }
        assert.equal(tab.spent, spent);
        assert.equal(
          tab.reserved,
          open.reduce((sum, hold) => sum + hold.amount, 0),
        );
        assert.ok(tab.spent + tab.reserved <= limit);
      }
      for (const hold of open) hold.settle(0);
      assert.deepEqual([tab.spent, tab.reserved], [spent, 0]);
    }),
  );
});

test('what others have spent is what the records hold beyond our own', () => {
  const tab = createTab();
  tab.rebase(70, 0);
  assert.equal(tab.spent, 70);
  tab.add(5);
  tab.rebase(95, 5);
  assert.equal(tab.spent, 95);
});

test('while we spend ourselves, others are never counted less than before, nor what is ours twice', () => {
  fc.assert(
    fc.property(fc.nat(100), fc.nat(100), fc.nat(100), fc.nat(100), (others, own, meanwhile, seen) => {
      const tab = createTab();
      tab.rebase(others, 0);
      tab.add(own);
      tab.add(meanwhile);
      // The records hold all of `own`, and any part of what was spent meanwhile.
      tab.rebase(others + own + Math.min(seen, meanwhile), own);
      assert.equal(tab.spent, others + own + meanwhile);
    }),
  );
});
