import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { facts, routerFor, run } from './routing-fixture.js';

const weights = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 });

function routeOf(strategy: 'weighted' | 'round-robin', shares: readonly number[]) {
  const ids = shares.map((_, index) => `m${index}`);
  return routerFor(Object.fromEntries(ids.map((id) => [id, {}])), {
    routes: {
      r: {
        strategy,
        targets: ids.map((id) => `lab/${id}`),
        weights: Object.fromEntries(shares.map((weight, index) => [`lab/m${index}`, weight])),
      },
    },
  });
}

test('weighted is never a whole request away from the exact shares', () => {
  fc.assert(
    fc.property(weights, (shares) => {
      const router = routeOf('weighted', shares);
      const total = shares.reduce((sum, weight) => sum + weight, 0);
      const counts = shares.map(() => 0);
      for (let turn = 1; turn <= Math.min(400, 2 * total); turn++) {
        const index = Number(run(router, 'r', 1)[0]?.slice(1));
        counts[index] = (counts[index] ?? 0) + 1;
        for (const [each, weight] of shares.entries()) {
          const exact = (turn * weight) / total;
          assert.ok(Math.abs((counts[each] ?? 0) - exact) < 1 + 1e-6, `turn ${turn}, ${counts} of ${shares}`);
        }
      }
    }),
    // With these, giving each turn to the largest debt is 1.02 away.
    { numRuns: 60, examples: [[[8, 48, 50, 50, 26, 8, 3, 25, 26, 8, 26]]] },
  );
});

test('round-robin is fair in every window, whoever is away and comes back', () => {
  const away = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(away, (phases) => {
      const router = routeOf('round-robin', [1, 1, 1, 1, 1]);
      for (const [phase, absent] of phases.entries()) {
        for (const index of absent) router.availability.block(`lab/m${index}`, 'rate_limited', phase + 1);
        const present = 5 - absent.length;
        const chosen = run(router, 'r', present * 2, facts(), phase);
        assert.equal(new Set(chosen.slice(0, present)).size, present);
        assert.deepEqual(chosen.slice(present), chosen.slice(0, present));
      }
    }),
    { numRuns: 100 },
  );
});
