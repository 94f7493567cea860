import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignWindow, parseInstant, parseInterval, parseWindow, QueryError } from '../../src/window.js';

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

const at = (text: string) => Date.parse(`2026-05-${text}Z`);

test('a window is widened to whole minutes, and to whole hours more than 48 hours ago', () => {
  assert.deepEqual(alignWindow({ since: at('10T11:59:30'), until: NOW + 1 }, NOW), {
    since: at('10T11:59:00'),
    until: at('10T12:01:00'),
  });
  assert.deepEqual(alignWindow({ since: at('08T11:59:59'), until: at('08T12:00:01') }, NOW), {
    since: at('08T11:00:00'),
    until: at('08T12:01:00'),
  });
  const whole = { since: at('01T03:00:00'), until: at('10T12:00:00') };
  assert.deepEqual(alignWindow(whole, NOW), whole);
});

test('a time series is of whole points', () => {
  const window = { since: at('10T11:07:00'), until: at('10T11:08:00') };
  assert.deepEqual(alignWindow(window, NOW, parseInterval('15m')), {
    since: at('10T11:00:00'),
    until: at('10T11:15:00'),
  });
  assert.deepEqual(alignWindow(window, NOW, parseInterval('day')), {
    since: at('10T00:00:00'),
    until: at('11T00:00:00'),
  });
});

test('points that are too short or too many are refused by the name of the interval', () => {
  const month = { since: NOW - 720 * 3_600_000, until: NOW };
  const years = { since: 0, until: NOW };
  for (const [window, interval] of [
    [month, '5m'],
    [years, 'hour'],
    [years, 'day'],
  ] as const) {
    assert.throws(
      () => alignWindow(window, NOW, parseInterval(interval)),
      (error) => error instanceof QueryError && error.param === 'interval',
    );
  }
});
