import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseBytes, parseDuration } from '../../src/config.js';

test('durations are counted in milliseconds', () => {
  const cases = {
    '0ms': 0,
    '250ms': 250,
    '30s': 30_000,
    '5m': 300_000,
    '24h': 86_400_000,
    '7d': 604_800_000,
  };
  for (const [text, expected] of Object.entries(cases)) assert.equal(parseDuration(text), expected, text);
});

test('any other form of a duration is none', () => {
  for (const text of [
    '',
    '5',
    's',
    '5 s',
    ' 5s',
    '5s ',
    '-5s',
    '1.5s',
    '5S',
    '5min',
    '1w',
    '1y',
    '1h30m',
    '5s\n',
    'NaNs',
  ]) {
    assert.equal(parseDuration(text), null, JSON.stringify(text));
  }
});

test('sizes are decimal or binary, as their unit says', () => {
  const cases = {
    '10B': 10,
    '2kB': 2000,
    '32MB': 32e6,
    '1GB': 1e9,
    '2KiB': 2048,
    '32MiB': 33_554_432,
    '1GiB': 2 ** 30,
  };
  for (const [text, expected] of Object.entries(cases)) assert.equal(parseBytes(text), expected, text);
  for (const text of ['', '32', '32mb', '32M', '1.5MB', '-1MB', '32 MB', '1TB'])
    assert.equal(parseBytes(text), null, text);
});

test('no text makes a duration or a size that is negative, fractional or not a number', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{1,20}(ms|s|m|h|d|B|MB|GiB)$/)), (text) => {
      for (const value of [parseDuration(text), parseBytes(text)]) {
        assert.ok(value === null || (Number.isInteger(value) && value >= 0));
      }
    }),
  );
});
