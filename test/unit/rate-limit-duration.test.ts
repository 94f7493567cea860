import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dateMs, durationAt, resetAt } from '../../src/upstream/rate-limit/duration.js';
import { nextPacificMidnight } from '../../src/upstream/rate-limit/pacific.js';

// Dates without a zone must not be read in the machine's own.
process.env.TZ = 'Asia/Tokyo';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const DAY = 86_400_000;

const resets: [value: string, aheadMs: number | null][] = [
  // Go durations.
  ['1m30s', 90_000],
  ['6m0s', 360_000],
  ['120ms', 120],
  ['7.66s', 7_660],
  ['2m59.56s', 179_560],
  ['2h3m', 7_380_000],
  ['1d', DAY],
  ['1d2h', DAY + 7_200_000],
  ['0s', 0],
  ['1500us', 2],
  ['1500µs', 2],
  ['900ns', 1],
  // Words.
  ['12 seconds', 12_000],
  ['1 minute and 5 seconds', 65_000],
  ['2 hours, 1 minute', 7_260_000],
  ['20 milliseconds', 20],
  // Bare numbers: seconds, epoch seconds, epoch milliseconds.
  ['30', 30_000],
  ['0', 0],
  [' 11.382867097854614 ', 11_383],
  ['33011.382867097855', 33_011_383],
  [String(NOW / 1000 + 40), 40_000],
  [`${NOW / 1000 + 40}.5`, 40_500],
  [String(NOW + 40_000), 40_000],
  // Dates.
  ['Sun, 01 Mar 2026 12:00:50 GMT', 50_000],
  ['2026-03-01T12:00:50Z', 50_000],
  ['2026-03-01T12:00:50', 50_000],
  ['2026-03-01T13:00:50+01:00', 50_000],
  ['Sun Mar 01 2026 13:00:50 GMT+0100 (Central European Standard Time)', 50_000],
  // Past moments: the limit is whole.
  [String(NOW - 5), 0],
  [String(NOW / 1000 - 5), 0],
  ['2026-03-01T11:00:00Z', 0],
  // A month is a period of quotas, a year is not.
  ['31d', 31 * DAY],
  ['33d', null],
  ['999999999', null],
  ['9'.repeat(400), null],
  [`${'9'.repeat(400)}s`, null],
  [String(NOW + 400 * DAY), null],
  ['2099-01-01T00:00:00Z', null],
  // Nothing that can be understood.
  ['', null],
  [' ', null],
  ['-1', null],
  ['-3s', null],
  ['1e3', null],
  ['NaN', null],
  ['Infinity', null],
  ['soon', null],
  ['soon 5', null],
  ['5 months', null],
  ['1m30', null],
  ['1m30s later', null],
  ['s', null],
  ['.5s', null],
  ['2026-13-45T99:00:00Z', null],
];

for (const [value, aheadMs] of resets) {
  const named = value.length > 60 ? `${value.slice(0, 20)}…` : value;
  test(`a reset of "${named}" is ${aheadMs === null ? 'not understood' : `${aheadMs} ms ahead`}`, () => {
    assert.equal(resetAt(value, NOW), aheadMs === null ? null : NOW + aheadMs);
  });
}

test('a duration is found where it begins, and what follows it is left alone', () => {
  assert.deepEqual(durationAt('in 1m30.5s. Visit us', 3), { ms: 90_500, end: 10 });
  assert.deepEqual(durationAt('12 seconds, 3 requests', 0), { ms: 12_000, end: 10 });
  assert.equal(durationAt('in 1m30.5s', 0), null);
  assert.equal(durationAt(`${'9'.repeat(400)}s`, 0), null);
});

test('durations that Go prints are read back', () => {
  const part = fc.integer({ min: 0, max: 59 });
  const millis = fc.integer({ min: 0, max: 999 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 700 }), part, part, millis, (hours, minutes, seconds, ms) => {
      const text = `${hours}h${minutes}m${seconds}.${String(ms).padStart(3, '0')}s`;
      const expected = hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + ms;
      const found = durationAt(text, 0);
      assert.ok(found !== null && Math.abs(found.ms - expected) < 1e-3, text);
    }),
  );
});

test('whatever a header says, a reset is unknown or a whole millisecond from now on and within 32 days', () => {
  const value = fc.oneof(
    fc.string(),
    fc.double().map(String),
    fc.bigInt().map(String),
    fc.nat().map((n) => `${n}ms`),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  );
  fc.assert(
    fc.property(value, (text) => {
      const at = resetAt(text, NOW);
      if (at === null) return;
      assert.ok(Number.isInteger(at) && at >= NOW && at <= NOW + 32 * DAY, `${text}: ${at}`);
    }),
  );
});

test('what only looks like a date is none', () => {
  for (const text of ['soon 5', 'May 5', '5', '2026', 'Monday', '']) assert.equal(dateMs(text), null, text);
});

test('midnight in California is found on ordinary days and when the clocks change', () => {
  const days: [now: string, midnight: string][] = [
    ['2026-03-01T12:00:00.250Z', '2026-03-02T08:00:00Z'],
    ['2026-07-01T06:59:59.999Z', '2026-07-01T07:00:00Z'],
    ['2026-07-01T07:00:00Z', '2026-07-02T07:00:00Z'],
    // 2026-03-08 has 23 hours there, 2026-11-01 has 25.
    ['2026-03-08T08:30:00Z', '2026-03-09T07:00:00Z'],
    ['2026-03-08T20:00:00Z', '2026-03-09T07:00:00Z'],
    ['2026-11-01T07:30:00Z', '2026-11-02T08:00:00Z'],
    ['2026-11-01T20:00:00Z', '2026-11-02T08:00:00Z'],
  ];
  for (const [now, midnight] of days) {
    assert.equal(
      new Date(nextPacificMidnight(Date.parse(now))).toISOString(),
      new Date(midnight).toISOString(),
    );
  }
});
