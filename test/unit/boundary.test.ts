import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBoundary } from '../../src/stream/boundary.js';

function reachedAfter(...pieces: string[]): boolean {
  const boundary = createBoundary();
  for (const piece of pieces) boundary.written(Buffer.from(piece));
  return boundary.isReached();
}

test('a stream begins at a boundary', () => {
  assert.equal(createBoundary().isReached(), true);
  assert.equal(reachedAfter(''), true);
});

test('a blank line is a boundary, whatever its line ends', () => {
  for (const end of ['\n\n', '\r\n\r\n', '\r\r', '\n\r\n', '\r\n\r', '\n\r', '\r\n\n', '\r\r\n']) {
    assert.equal(reachedAfter(`data: 1${end}`), true, JSON.stringify(end));
  }
});

test('inside a line or an event there is no boundary', () => {
  for (const text of [
    'd',
    'data: 1',
    'data: 1\n',
    'data: 1\r\n',
    'data: 1\r',
    'data: 1\n\ndata',
    '\n\nd\n',
  ]) {
    assert.equal(reachedAfter(text), false, JSON.stringify(text));
  }
});

test('the pieces it is written in do not matter', () => {
  const text = fc.array(fc.constantFrom('a', '\n', '\r', '\r\n'), { maxLength: 8 });
  fc.assert(
    fc.property(text, (parts) => {
      const whole = parts.join('');
      assert.equal(reachedAfter(...whole), reachedAfter(whole));
    }),
  );
});
