import assert from 'node:assert/strict';
import fc from 'fast-check';

/** What three workers answer, whoever of them is asked, is what one process would answer to the same questions. */
const WORKERS = 3;
export const START = 2_000_000_000_000;
export const who = fc.nat({ max: WORKERS - 1 });
export const wait = fc.record({
  do: fc.constant('wait' as const),
  ms: fc.oneof(fc.nat({ max: 2000 }), fc.nat({ max: 90_000 })),
});
export const runs = { numRuns: 40 };

/** Each step is a turn of its own: what was looked at is looked at again. */
export const turn = () => Promise.resolve();

export function oneOf<Value>(values: Value[], which: number): Value | undefined {
  const [found] = values.length === 0 ? [] : values.splice(which % values.length, 1);
  return found;
}

export function storeAt<Store>(stores: readonly Store[], who: number): Store {
  const store = stores[who];
  assert.ok(store);
  return store;
}
