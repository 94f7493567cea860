import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInstant, parseWindow, QueryError } from '../../src/window.js';

const NOW = Date.UTC(2026, 4, 10, 12);

test('a span counts back from now', () => {
  assert.equal(parseInstant('since', '24h', NOW), NOW - 86_400_000);
  assert.equal(parseInstant('since', '30m', NOW), NOW - 1_800_000);
  assert.equal(parseInstant('since', '7d', NOW), NOW - 604_800_000);
  assert.equal(parseInstant('since', '250ms', NOW), NOW - 250);
});

test('a span longer than all time starts at the epoch', () => {
  assert.equal(parseInstant('since', '999999999w', NOW), 0);
});

test('digits are epoch milliseconds', () => {
  assert.equal(parseInstant('since', '1778414400000', NOW), 1778414400000);
});

test('ISO 8601 is UTC unless it names an offset', () => {
  assert.equal(parseInstant('since', '2026-05-10', NOW), Date.UTC(2026, 4, 10));
  assert.equal(parseInstant('since', '2026-05-10T10:00', NOW), Date.UTC(2026, 4, 10, 10));
  assert.equal(parseInstant('since', '2026-05-10T10:00:00.123Z', NOW), Date.UTC(2026, 4, 10, 10, 0, 0, 123));
  assert.equal(parseInstant('since', '2026-05-10T10:00:00+02:00', NOW), Date.UTC(2026, 4, 10, 8));
  assert.equal(parseInstant('since', '2026-05-10T10:00:00-02:00', NOW), Date.UTC(2026, 4, 10, 12));
});

test('a plus that a URL turned into a space is still an offset', () => {
  assert.equal(parseInstant('since', '2026-05-10T10:00:00 02:00', NOW), Date.UTC(2026, 4, 10, 8));
});

for (const text of [
  'yesterday',
  'NaN',
  '-1',
  '1.5h',
  '24 h',
  '24H',
  '2026-02-31',
  '2026-13-01',
  '2026-05-10T25:00Z',
  '10 May 2026',
  '999999999999999',
]) {
  test(`${text} is refused by the name of its parameter`, () => {
    assert.throws(
      () => parseInstant('until', text, NOW),
      (error) => error instanceof QueryError && error.message.startsWith('until must be'),
    );
  });
}

test('the default window is the last 24 hours and holds the present millisecond', () => {
  assert.deepEqual(parseWindow(undefined, undefined, NOW), { since: NOW - 86_400_000, until: NOW + 1 });
});

test('a window without length is refused', () => {
  for (const [since, until] of [
    ['1h', '1h'],
    ['1h', '2h'],
  ]) {
    assert.throws(() => parseWindow(since, until, NOW), /since must be before until/);
  }
});
