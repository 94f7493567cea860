import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { usd } from '../../src/usd.js';

test('nano-USD are written as USD without an exponent and without zeros at the end', () => {
  assert.deepEqual([0, 1, 1_500_000_000, -500_000_000, 10, 2e18].map(usd), [
    '0',
    '0.000000001',
    '1.5',
    '-0.5',
    '0.00000001',
    '2000000000',
  ]);
  fc.assert(
    fc.property(fc.maxSafeInteger(), (nano) => {
      const [, sign = '', whole = '', decimals = ''] =
        /^(-?)(\d+)(?:\.(\d{0,8}[1-9]))?$/.exec(usd(nano)) ?? [];
      assert.equal(BigInt(`${sign}${whole}${decimals.padEnd(9, '0')}`), BigInt(nano));
    }),
  );
});
