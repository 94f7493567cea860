import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJsonRequest, spliceAt } from '../../src/upstream/json-request.js';
import { spliceJson } from '../../src/upstream/splice.js';

const far = `"messages":[{"role":"user","content":"${'x'.repeat(1000)}"}]`;

/** What is sent for a body with a place; it has to be what the search for every `model` comes to. */
function spliced(text: string, streamUsage = false): string {
  const bytes = Buffer.from(text);
  const { value, place } = parseJsonRequest(bytes);
  assert.deepEqual(value, JSON.parse(text));
  assert.ok(place !== null, text);
  const sent = spliceAt(bytes, place, 'p/q"é', streamUsage);
  assert.deepEqual(sent, spliceJson(bytes, { model: 'p/q"é', streamUsage }));
  return sent.toString();
}

test('a model is found at either end of a body, and replaced', () => {
  assert.equal(spliced('{"model":"a"}'), '{"model":"p/q\\"é"}');
  assert.equal(spliced(` { "model"\t: "a" , ${far}}\n`), ` { "model"\t: "p/q\\"é" , ${far}}\n`);
  assert.equal(spliced(`{${far},"n":1.0,"model":"a"}`), `{${far},"n":1.0,"model":"p/q\\"é"}`);
  assert.equal(spliced(`{"x":"é",${far},"model":"ä","tools":[{"y":"茶"}]} `).length > 0, true);
});

test('usage of a stream is asked for behind the last member', () => {
  assert.equal(
    spliced('{"model":"a","stream":true } ', true),
    '{"model":"p/q\\"é","stream":true ,"stream_options":{"include_usage":true}} ',
  );
  assert.match(spliced('{"model":"a","stream_options":{"x":1}}', true), /\{"x":1,"include_usage":true\}/);
});

test('a second model is never passed on, wherever it stands and however it is spelt', () => {
  const seconds = [
    '"model":"b"',
    '"mod\\u0065l":"b"',
    '"\\u006dodel":"a"',
    '"model":1',
    '"model":{"model":"a"}',
  ];
  for (const second of seconds) {
    for (const members of [
      ['"model":"a"', second],
      [second, '"model":"a"'],
      ['"model":"a"', far, second],
      [second, far, '"model":"a"'],
    ]) {
      const text = `{${members.join(',')}}`;
      const { value, place } = parseJsonRequest(Buffer.from(text));
      assert.equal(place, null, text);
      assert.deepEqual(value, JSON.parse(text));
    }
  }
});

test('what only looks like the model of a body is not taken for it', () => {
  const bodies = [
    '{"metadata":{"model":"a"}}',
    '{"metadata":{"model":"a"},"mod\\u0065l":"a"}',
    '{"x":"\\"model\\":\\"a\\"","n":"\\"model\\":"}',
    '{"x":["model","a"]}',
    '[{"model":"a"}]',
    '{"model":"a","__proto__":{"model":"b"}}',
    '{"model":"a\\u0062"}',
    '{"model":null}',
    '"model"',
    `{${far},"metadata":{"model":"a"}}`,
  ];
  for (const text of bodies) {
    const { value, place } = parseJsonRequest(Buffer.from(text));
    assert.equal(place, null, text);
    assert.deepEqual(value, JSON.parse(text));
  }
});

test('a body that is not JSON says so in its own words', () => {
  for (const text of ['', '{"model":"a"', '{"model":"a",}', '{"model":"a"} {', '{"model":"a","x":"\n"}']) {
    const wanted = (() => {
      try {
        return JSON.parse(text);
      } catch (error) {
        return error;
      }
    })();
    assert.throws(() => parseJsonRequest(Buffer.from(text)), { message: wanted.message });
  }
});

test('whatever a body holds, it is parsed as it is and spliced as by a search', () => {
  const keys = fc.constantFrom('model', 'messages', 'stream', 'Model', 'x', 'é', 'stream_options', '0');
  const member = fc.tuple(keys, fc.jsonValue({ maxDepth: 2 }));
  const model = fc.tuple(fc.constant('model'), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(fc.array(fc.oneof(member, model), { maxLength: 6 }), fc.boolean(), (members, streamUsage) => {
      const text = `{${members.map(([key, value]) => `${JSON.stringify(key)} : ${JSON.stringify(value)}`).join(',')}}`;
      const bytes = Buffer.from(text);
      const { value, place } = parseJsonRequest(bytes);
      assert.deepEqual(value, JSON.parse(bytes.toString()));
      if (place === null) return;
      const sent = spliceAt(bytes, place, 'm', streamUsage);
      assert.deepEqual(sent, spliceJson(bytes, { model: 'm', streamUsage }));
    }),
    { numRuns: 2000 },
  );
});
