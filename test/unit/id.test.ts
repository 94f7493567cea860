import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createId } from '../../src/id.js';

const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Milliseconds since 1970, from the first 48 bits. */
function timeOf(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
}

test('an id is a UUIDv7 of now', () => {
  const before = Date.now();
  const id = createId();
  assert.match(id, form);
  assert.ok(timeOf(id) >= before && timeOf(id) <= Date.now());
});

test('ids sort in the order in which they were made, and none comes twice', () => {
  const ids = Array.from({ length: 20_000 }, createId);
  assert.deepEqual(ids.toSorted(), ids);
  assert.equal(new Set(ids).size, ids.length);
});

test('ids sort when the clock stands still or is set back a little', (t) => {
  const clock = t.mock.method(Date, 'now', () => 4_000_000_000_000);
  const ids = [createId(), createId()];
  clock.mock.mockImplementation(() => 3_999_999_999_000);
  ids.push(createId(), createId());
  clock.mock.mockImplementation(() => 4_000_000_000_001);
  ids.push(createId());
  assert.deepEqual(ids.toSorted(), ids);
  assert.equal(new Set(ids).size, ids.length);
});

test('the last bytes of ids are random', () => {
  const ends = Array.from({ length: 1_000 }, () => createId().slice(-12));
  assert.equal(new Set(ends).size, ends.length);
});
