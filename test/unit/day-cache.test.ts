import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDayCache } from '../../src/db/day-cache.js';

test('a day is known until another revision of it is asked for', () => {
  const cache = createDayCache();
  cache.set('q', 1, 10, []);
  assert.deepEqual(cache.get('q', 1, 10), []);
  assert.equal(cache.get('q', 1, 11), null);
  assert.equal(cache.get('q', 2, 10), null);
  assert.equal(cache.get('other', 1, 10), null);
});

test('what was not asked for the longest makes room', () => {
  const cache = createDayCache(3);
  for (const day of [1, 2, 3]) cache.set('q', day, 0, []);
  assert.ok(cache.get('q', 1, 0));
  cache.set('q', 4, 0, []);
  assert.equal(cache.get('q', 2, 0), null);
  assert.ok(cache.get('q', 1, 0));
  cache.set('q', 4, 1, []);
  assert.ok(cache.get('q', 3, 0));
  assert.ok(cache.get('q', 4, 1));
});
