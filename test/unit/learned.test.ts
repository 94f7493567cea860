import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBoundedMap } from '../../src/routing/learned/bounded.js';
import { createSpeeds } from '../../src/routing/learned/speeds.js';
import { facts, models, routerFor, run, targetOf, usage } from './routing-fixture.js';

test('a full memory forgets what was set longest ago', () => {
  const map = createBoundedMap(2, () => 'made');
  map.set('a', '1');
  map.set('b', '2');
  map.set('a', '3');
  assert.equal(map.obtain('c'), 'made');
  assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], ['3', undefined, 'made']);
});

test('models that callers make up for an open provider leave no trace', () => {
  const router = routerFor({}, { routes: { r: { strategy: 'fastest', targets: ['lab/a', 'lab/b'] } } });
  const made = router.resolve('lab/made-up', null);
  const sent = { entry: made, facts: facts(), target: targetOf(made, 'made-up') };
  for (let count = 0; count < 20; count++) router.observe.firstContent(sent, 5, count);
  router.observe.answered(sent, usage(1, 1));
  assert.equal(router.learned.speeds.percentile95('chat whole', 'lab/made-up'), null);
  assert.deepEqual(router.learned.amounts.input('lab/made-up'), { scale: 1, cachedShare: 0 });
});

test('a policy that spreads requests works for a model that several providers have', () => {
  const policies = { spread: { strategy: 'round-robin' } } as const;
  const router = routerFor({ a: {} }, { policies, routes: { r: { targets: ['lab/a'] } } });
  router.discovered('lab', ['a']);
  const entry = router.resolve('a', null);
  assert.deepEqual([entry.name, entry.route, models(entry.targets)], ['a', null, ['a']]);
  assert.deepEqual(run(router, 'a', 2, facts('', { policy: 'spread' })), ['a', 'a']);
});

test('being outrun tells only of a time that is longer than what was known', () => {
  const speeds = createSpeeds();
  const expected = () => speeds.expected('chat', 60_000)('a/m');
  speeds.answered('chat', 'a/m', 500, 0);
  speeds.outrun('chat', 'a/m', 400, 60_000);
  speeds.asked('chat', 'a/m', 60_000);
  assert.equal(expected(), 500);
  speeds.outrun('chat', 'a/m', 600, 60_000);
  assert.ok(expected() > 580 && expected() < 600);
  for (let count = 0; count < 20; count++) speeds.outrun('chat', 'b/m', 1000 + count, 0);
  assert.equal(
    speeds.percentile95('chat', 'b/m'),
    1018,
    'else a target that is stopped when it is slow looks fast',
  );
});

test('a target that answered within a millisecond is no longer one to be tried first', () => {
  const speeds = createSpeeds();
  speeds.asked('chat', 'a/m', 1000);
  speeds.answered('chat', 'a/m', 0, 1000);
  const expected = speeds.expected('chat', 1000);
  assert.ok(expected('a/m') > expected('b/m'), 'the other one was never asked');
});
