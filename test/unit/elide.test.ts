import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { elide } from '../../src/stream/elide.js';

function joined(head: string, tail: string): unknown {
  return elide(Buffer.from(head), Buffer.from(tail));
}

test('what lies across the gap is left out, and both sides of it are there', () => {
  assert.deepEqual(joined('{"type":"a","image":"xxx', 'xxx","usage":{"b":1}}'), {
    type: 'a',
    usage: { b: 1 },
  });
  assert.deepEqual(joined('{"image":"xxx', 'xxx","usage":{"b":1}}'), { usage: { b: 1 } });
  assert.deepEqual(joined('{"type":"a","image":"xxx', 'xxx"}\n'), { type: 'a' });
  assert.deepEqual(joined('{"image":"x', 'x"}'), {});
});

test('the two are joined inside what is open on both sides', () => {
  assert.deepEqual(
    joined(
      '{"type":"t","response":{"id":"r","output":[{"type":"image","result":"xx',
      'xx"}],"tools":[{"a":[1,2]}],"usage":{"n":1}},"sequence_number":9}',
    ),
    {
      type: 't',
      response: { id: 'r', output: [], tools: [{ a: [1, 2] }], usage: { n: 1 } },
      sequence_number: 9,
    },
  );
  assert.deepEqual(
    joined('{"choices":[{"index":0,"delta":{"content":"xx', 'xx"},"finish_reason":"stop"}],"usage":{"n":1}}'),
    { choices: [{ index: 0, finish_reason: 'stop' }], usage: { n: 1 } },
  );
});

test('brackets, commas and quotes inside strings are text', () => {
  assert.deepEqual(
    joined('{"a":"}],{\\"","b":"\\\\","c":"[', '{ , ]","d":"}\\\\\\",{","e":"\\\\","é":"日本"}'),
    { a: '}],{"', b: '\\', d: '}\\",{', e: '\\', é: '日本' },
  );
});

test('without a tail the head is everything', () => {
  assert.deepEqual(joined('{"a":[1]}', ''), { a: [1] });
  assert.equal(joined('{"a":[1', ''), undefined);
});

test('what is open on one side only is left out', () => {
  assert.deepEqual(joined('{"a":["x', 'x"},"b":1}'), { b: 1 });
  assert.deepEqual(joined('{"a":1,"b":{"c":["x', 'x","d":2}'), { a: 1, d: 2 });
  assert.deepEqual(joined('{"a":1,"b":"x', 'x"]},"d":2}'), { a: 1, d: 2 });
});

test('what does not fit together gives nothing', () => {
  assert.equal(joined('{"a":"x', 'x"]'), undefined);
  assert.equal(joined('"xxx', 'xxx"'), undefined);
  assert.equal(joined('not json', 'at all'), undefined);
});

test('whatever the members are, all but the large one are told', () => {
  const members = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 }), {
    maxKeys: 4,
  });
  fc.assert(
    fc.property(members, fc.string({ unit: 'grapheme' }), members, fc.nat(), (first, filler, second, cut) => {
      const large = filler + 'x'.repeat(50);
      // One object, in order, also where a key looks like a number.
      const text = `{"first":${JSON.stringify(first)},"large":${JSON.stringify(large)},"second":${JSON.stringify(second)}}`;
      const bytes = Buffer.from(text);
      const from = Buffer.byteLength(text.slice(0, text.indexOf('"large":') + '"large":"'.length));
      const room = Buffer.byteLength(JSON.stringify(large)) - 2;
      const at = from + (cut % room);
      const tail = bytes.subarray(Math.min(at + 10, from + room));
      const parsed = JSON.parse(text);
      delete parsed.large;
      assert.deepEqual(elide(bytes.subarray(0, at), tail), parsed);
    }),
    { numRuns: 2000 },
  );
});

test('no bytes make it throw', () => {
  const soup = fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', 'a', '1'), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(soup, soup, (head, tail) => void joined(head.join(''), tail.join(''))),
    { numRuns: 2000 },
  );
});
