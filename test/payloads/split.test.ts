import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type SplitBody, splitBody } from '../../src/payloads/split.js';

const joined = ({ shell, at, pieces }: SplitBody) =>
  Buffer.concat([shell.subarray(0, at), ...pieces, shell.subarray(at)]);
const texts = ({ pieces }: SplitBody) => pieces.map(String);
const long = (name: string) => `{"role":"user","content":"${name.repeat(200)}"}`;

test('a chat request is split into its messages, each with the separator before it', () => {
  const split = splitBody(Buffer.from(`{"model":"m","messages":[${long('a')} , ${long('b')}],"n":1}`));
  assert.deepEqual(texts(split), [long('a'), ` , ${long('b')}`]);
  assert.equal(String(split.shell), '{"model":"m","messages":[],"n":1}');
});

test('a conversation that goes on begins with the same pieces and has the same shell', () => {
  const body = (...names: string[]) =>
    splitBody(Buffer.from(`{"messages":[${names.map(long).join(',')}],"model":"m"}`));
  const [before, after] = [body('a', 'b'), body('a', 'b', 'c')];
  assert.deepEqual(texts(after).slice(0, 2), texts(before));
  assert.deepEqual(after.shell, before.shell);
});

test('the items of a response request are pieces, the texts of an embedding request are not', () => {
  assert.equal(splitBody(Buffer.from(`{"input":[${long('a')},${long('b')}]}`)).pieces.length, 2);
  assert.equal(splitBody(Buffer.from(`{"input":["${'a'.repeat(500)}","b"]}`)).pieces.length, 0);
});

test('small messages are put together, so that a body cannot be a million pieces', () => {
  const split = splitBody(Buffer.from(`{"messages":[${Array(10_000).fill('{}').join(',')}]}`));
  assert.ok(split.pieces.length < 300, String(split.pieces.length));
});

test('any JSON is put together again byte by byte, also one that is cut off', () => {
  const message = fc.record({
    role: fc.string(),
    content: fc.jsonValue(),
    name: fc.string({ maxLength: 300 }),
  });
  const body = fc.record({ messages: fc.oneof(fc.array(message), fc.jsonValue()), input: fc.jsonValue() });
  const indents = fc.constantFrom('', ' ', '\n  ');
  fc.assert(
    fc.property(body, indents, fc.nat(), (value, indent, cut) => {
      const bytes = Buffer.from(JSON.stringify(value, null, indent));
      const part = bytes.subarray(0, cut % (bytes.length + 1));
      assert.deepEqual(joined(splitBody(bytes)), bytes);
      assert.deepEqual(joined(splitBody(part)), part);
    }),
  );
});

test('any bytes are put together again', () => {
  const soup = fc.array(
    fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', 'messages', ' ', '\xff', '1'),
  );
  fc.assert(
    fc.property(soup, (parts) => {
      const bytes = Buffer.from(`{"messages":[${parts.join('')}`, 'latin1');
      assert.deepEqual(joined(splitBody(bytes)), bytes);
    }),
  );
});
