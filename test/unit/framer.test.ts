import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { createFramer } from '../../src/stream/framer.js';

interface Seen {
  data: string;
  event: string | null;
}

function frame(chunks: Buffer[], maxEventBytes = 1_000_000): Seen[] {
  const seen: Seen[] = [];
  const framer = createFramer({
    maxEventBytes,
    onEvent: (data, event) => seen.push({ data: data.toString('utf8'), event }),
  });
  for (const chunk of chunks) framer.write(chunk);
  framer.end();
  return seen;
}

/** The reference. It needs the blank line at the end that the framer does without. */
function reference(bytes: Buffer): Seen[] {
  const seen: Seen[] = [];
  const parser = createParser({
    onEvent: ({ data, event }) => seen.push({ data, event: event ?? null }),
  });
  parser.feed(`${new TextDecoder().decode(bytes)}\n\n`);
  return seen;
}

function split(bytes: Buffer, cuts: number[]): Buffer[] {
  const at = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

const word = fc.constantFrom('', 'a', '{"x":1}', 'é', '日本', '🙂', ' ', 'data: no', ':', '[DONE]', '\ufeff');
const line = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom('data:', 'data: ', 'data:  '), word).map((p) => p.join('')),
  },
  fc
    .tuple(
      fc.constantFrom('event:', 'event: ', 'id: ', ': ', ':', 'other: ', 'dat', 'data', 'event', 'Data: '),
      word,
    )
    .map((p) => p.join('')),
  { weight: 3, arbitrary: fc.constant('') },
);
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
const uniform = fc
  .tuple(fc.array(line), lineEnd)
  .map(([lines, end]) => lines.map((text) => text + end).join(''));
const mixed = fc.array(fc.tuple(line, lineEnd).map((pair) => pair.join(''))).map((lines) => lines.join(''));
const stream = fc
  .tuple(fc.constantFrom('', '\ufeff'), fc.oneof(uniform, mixed), fc.oneof(fc.constant(''), line))
  .map((parts) => Buffer.from(parts.join('')));

test('any split of any legal stream gives the events of eventsource-parser', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat()), (bytes, cuts) => {
      assert.deepEqual(frame(split(bytes, cuts)), reference(bytes));
    }),
    { numRuns: 2000 },
  );
});

test('a stream that arrives byte by byte gives the same events', () => {
  fc.assert(
    fc.property(stream, (bytes) => {
      assert.deepEqual(frame(Array.from(bytes, (byte) => Buffer.of(byte))), reference(bytes));
    }),
    { numRuns: 500 },
  );
});

test('boundaries are where the blocks end, whatever the line ending', () => {
  const ends: number[] = [];
  const framer = createFramer({ maxEventBytes: 100, onEvent: () => {}, onBoundary: (end) => ends.push(end) });
  framer.write(Buffer.from('data: a\n\ndata: b\r\n\r\n: c\r\rdata'));
  assert.deepEqual(ends, [9, 20, 25]);
});

test('the event after an oversized one is seen again, however the bytes are split', () => {
  const bytes = Buffer.from(`data: a\n\ndata: ${'x'.repeat(50)}\n\ndata: b\n\n`);
  fc.assert(
    fc.property(fc.array(fc.nat()), (cuts) => {
      assert.deepEqual(
        frame(split(bytes, cuts), 40).map(({ data }) => data),
        ['a', 'b'],
      );
    }),
  );
});

test('the cap counts the bytes of the event up to its blank line', () => {
  const bytes = Buffer.from('data: 0123456789\n\n');
  for (const chunks of [[bytes], split(bytes, [3, 17])]) {
    assert.equal(frame(chunks, bytes.length).length, 1);
    assert.equal(frame(chunks, bytes.length - 1).length, 0);
  }
});

test('an oversized event is reported once and as soon as it is over the cap', () => {
  let oversized = 0;
  const framer = createFramer({ maxEventBytes: 10, onEvent: () => {}, onOversize: () => oversized++ });
  framer.write(Buffer.from('data: 0123456789'));
  assert.equal(oversized, 1);
  assert.equal(framer.isSkipping(), true);
  framer.write(Buffer.from('more\n\n'));
  assert.equal(oversized, 1);
  assert.equal(framer.isSkipping(), false);
});

test('a last event without a blank line is marked as cut short', () => {
  const complete: boolean[] = [];
  const framer = createFramer({
    maxEventBytes: 100,
    onEvent: (_data, _event, whole) => complete.push(whole),
  });
  framer.write(Buffer.from('data: a\n\ndata: b'));
  framer.end();
  assert.deepEqual(complete, [true, false]);
});

test('one event of a megabyte in single bytes costs linear time', () => {
  const cost = (size: number): number => {
    const bytes = Buffer.concat([Buffer.from('data: '), Buffer.alloc(size, 97), Buffer.from('\n\n')]);
    const framer = createFramer({ maxEventBytes: 2_000_000, onEvent: () => {} });
    const start = performance.now();
    for (let at = 0; at < bytes.length; at++) framer.write(bytes.subarray(at, at + 1));
    return performance.now() - start;
  };
  cost(50_000);
  // Sixteen times the bytes: 256 times the cost if it were quadratic.
  const small = Math.max(cost(62_500), 1);
  assert.ok(cost(1_000_000) < small * 100);
});
