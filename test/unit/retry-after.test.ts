import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  cooldown,
  type Headers,
  MAX_COOLDOWN_MS,
  MIN_COOLDOWN_MS,
  retryAfter,
} from '../../src/upstream/rate-limit/retry-after.js';

const NOW = Date.parse('2026-03-01T12:00:00Z');

function retryAfterMs(headers: Headers, now: number): number | null {
  return retryAfter(headers, now)?.forMs ?? null;
}

test('the bounds are one second and one hour', () => {
  assert.deepEqual([MIN_COOLDOWN_MS, MAX_COOLDOWN_MS], [1_000, 3_600_000]);
  const bounded = [0, 999, 1_000.2, 3_600_001].map((ms) => cooldown(ms, 'body').forMs);
  assert.deepEqual(bounded, [1_000, 1_000, 1_001, 3_600_000]);
});

test('the header that was believed is named', () => {
  const both = { 'retry-after-ms': '1200', 'retry-after': '2' };
  assert.deepEqual(retryAfter(both, NOW), { forMs: 1_200, source: 'retry-after-ms' });
  const unreadable = { 'retry-after-ms': 'later', 'retry-after': '2' };
  assert.deepEqual(retryAfter(unreadable, NOW), { forMs: 2_000, source: 'retry-after' });
  const date = { 'retry-after': 'Sun, 01 Mar 2026 12:00:30 GMT' };
  assert.deepEqual(retryAfter(date, NOW), { forMs: 30_000, source: 'retry-after' });
});

test('milliseconds win over seconds', () => {
  assert.equal(retryAfterMs({ 'retry-after-ms': '1200', 'retry-after': '2' }, NOW), 1_200);
});

test('milliseconds that are no number leave the word to seconds or a date', () => {
  assert.equal(retryAfterMs({ 'retry-after-ms': 'later', 'retry-after': '2' }, NOW), 2_000);
  const date = 'Sun, 01 Mar 2026 12:00:30 GMT';
  assert.equal(retryAfterMs({ 'retry-after-ms': '', 'retry-after': date }, NOW), 30_000);
});

test('both forms of an HTTP date and an ISO date are understood', () => {
  const dates = [
    'Sun, 01 Mar 2026 12:01:00 GMT',
    'Sunday, 01-Mar-26 12:01:00 GMT',
    '2026-03-01T12:01:00Z',
    '2026-03-01T14:01:00+02:00',
    '2026-03-01T12:01:00',
  ];
  for (const date of dates) assert.equal(retryAfterMs({ 'retry-after': date }, NOW), 60_000, date);
});

test('what is neither a number nor a date says nothing', () => {
  const garbage = ['', ' ', '-5', '1e3', '0x10', 'soon', 'soon 5', 'May 5', '30s', '5 s', 'Infinity', 'NaN'];
  for (const value of garbage) assert.equal(retryAfterMs({ 'retry-after': value }, NOW), null, value);
  assert.equal(retryAfterMs({}, NOW), null);
  assert.equal(retryAfterMs({ 'retry-after': ['1', '2'] }, NOW), null);
});

test('a number of hundreds of digits is an hour', () => {
  assert.equal(retryAfterMs({ 'retry-after': '9'.repeat(400) }, NOW), MAX_COOLDOWN_MS);
});

test('whatever the headers say, the wait is unknown or within the bounds', () => {
  const value = fc.oneof(
    fc.string(),
    fc.double().map(String),
    fc.bigInt().map(String),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc.constant(undefined),
  );
  fc.assert(
    fc.property(value, value, (seconds, ms) => {
      const wait = retryAfterMs({ 'retry-after': seconds, 'retry-after-ms': ms }, NOW);
      if (wait === null) return;
      assert.ok(Number.isInteger(wait) && wait >= MIN_COOLDOWN_MS && wait <= MAX_COOLDOWN_MS, String(wait));
    }),
  );
});

test('whole seconds within the bounds are taken as they are', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3600 }), (seconds) => {
      assert.equal(retryAfterMs({ 'retry-after': ` ${seconds} ` }, NOW), seconds * 1000);
    }),
  );
});
