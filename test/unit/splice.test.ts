import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type SpliceEdits, spliceJson, wantsStreamUsage } from '../../src/upstream/splice.js';

function splice(text: string, edits: SpliceEdits): string {
  return spliceJson(Buffer.from(text), edits).toString('utf8');
}

test('only the value of model changes', () => {
  const before = ' {"seed": 9007199254740993,"temperature":1.0 , "model" :"a\\"b", "x":"\\u00e9é\\\\"}\n';
  const after = before.replace('"a\\"b"', '"p/q\\"\\\\é"');
  assert.equal(splice(before, { model: 'p/q"\\é' }), after);
});

test('every top-level model is replaced and no nested one', () => {
  assert.equal(
    splice('{"model":"a","metadata":{"model":"keep"},"m":["model",{"model":1}],"model":null}', {
      model: 'z',
    }),
    '{"model":"z","metadata":{"model":"keep"},"m":["model",{"model":1}],"model":"z"}',
  );
});

test('a key written with escapes is recognised', () => {
  assert.equal(
    splice('{"mod\\u0065l":"a","mo\\u0064e":1}', { model: 'z' }),
    '{"mod\\u0065l":"z","mo\\u0064e":1}',
  );
});

test('values of every kind are replaced whole', () => {
  for (const value of ['"a"', '1e5', 'true', 'null', '[1,["]"]]', '{"a":"}"}', '""']) {
    assert.equal(splice(`{"model":${value}}`, { model: 'z' }), '{"model":"z"}');
    assert.equal(splice(`{"model": ${value} ,"b":1}`, { model: 'z' }), '{"model": "z" ,"b":1}');
  }
});

test('a missing model is added', () => {
  assert.equal(splice('{}', { model: 'z' }), '{"model":"z"}');
  assert.equal(
    splice('{"a":1}', { model: 'z', streamUsage: true }),
    '{"a":1,"model":"z","stream_options":{"include_usage":true}}',
  );
});

test('stream_options are added, filled, or merged', () => {
  const cases = [
    ['{"a":1 }', '{"a":1 ,"stream_options":{"include_usage":true}}'],
    ['{"stream_options": null }', '{"stream_options": {"include_usage":true} }'],
    ['{"stream_options":{ }}', '{"stream_options":{ "include_usage":true}}'],
    ['{"stream_options":{"x": 1.0}}', '{"stream_options":{"x": 1.0,"include_usage":true}}'],
    [
      '{"stream_options":{"include_usage": false,"x":[{}]}}',
      '{"stream_options":{"include_usage": true,"x":[{}]}}',
    ],
    [
      '{"stream_options":{"x":{"include_usage":false}}}',
      '{"stream_options":{"x":{"include_usage":false},"include_usage":true}}',
    ],
    ['{"stream_options":"odd"}', '{"stream_options":"odd"}'],
  ];
  for (const [before = '', after] of cases) assert.equal(splice(before, { streamUsage: true }), after);
});

test('without edits the same Buffer comes back', () => {
  const body = Buffer.from('{"model":"a"}');
  assert.equal(spliceJson(body, {}), body);
  assert.equal(spliceJson(body, { streamUsage: false }), body);
});

test('long strings full of backslashes and quotes end where JSON says', () => {
  for (const filler of [
    '\\',
    '"',
    '\\"',
    'x'.repeat(63),
    'x'.repeat(64),
    `${'x'.repeat(70)}\\`,
    `${'x'.repeat(70)}"`,
  ]) {
    for (let times = 1; times < 70; times += 3) {
      const text = JSON.stringify({ content: filler.repeat(times), model: 'a' });
      assert.equal(splice(text, { model: 'z' }), text.replace(/"a"}$/, '"z"}'));
    }
  }
});

test('deep nesting does not exhaust the stack', () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  assert.equal(splice(`{"a":${deep},"model":"a"}`, { model: 'z' }), `{"a":${deep},"model":"z"}`);
});

test('what is not a JSON object throws', () => {
  for (const text of [
    '',
    '[]',
    '"x"',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":"x',
    '{"a":[1',
    '{"a" 1}',
    '{a:1}',
    '{"a":"x\\',
  ]) {
    assert.throws(() => splice(text, { model: 'z' }), /not a JSON object/);
  }
});

test('wantsStreamUsage is true for the literal true alone', () => {
  assert.equal(wantsStreamUsage({ stream_options: { include_usage: true } }), true);
  for (const body of [
    null,
    'x',
    {},
    { stream_options: null },
    { stream_options: { include_usage: 'true' } },
  ]) {
    assert.equal(wantsStreamUsage(body), false);
  }
});

/** Source text of a value, with random white space, escapes and number spellings: what a parser would lose. */
const space = fc.constantFrom('', '', ' ', '\n\t', '\r\n');
const quoted = fc
  .oneof(
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('model', 'stream_options', 'include_usage', '\\"', '\u2028'),
  )
  .chain((text) => fc.boolean().map((escaped) => (escaped ? escapeAll(text) : JSON.stringify(text))));
const scalar = fc.oneof(
  quoted,
  fc.constantFrom('null', 'true', 'false', '1.0', '-0', '1E+2', '9007199254740993'),
);
const { value: jsonText, object: objectText } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    tie('object'),
    fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), space)
      .map(([items, gap]) => `[${gap}${items.join(`${gap},${gap}`)}${gap}]`),
  ),
  object: fc
    .tuple(fc.array(fc.tuple(quoted, space, tie('value')), { maxLength: 5 }), space)
    .map(
      ([members, gap]) =>
        `{${gap}${members.map(([key, inner, value]) => `${key}${inner}:${inner}${value}`).join(`${gap},`)}${gap}}`,
    ),
}));

function escapeAll(text: string): string {
  const units = Array.from({ length: text.length }, (_, at) =>
    text.charCodeAt(at).toString(16).padStart(4, '0'),
  );
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

test('the spliced body parses to the original with the edit', () => {
  fc.assert(
    fc.property(objectText, fc.string(), fc.boolean(), (text, model, streamUsage) => {
      const expected: Record<string, unknown> = { ...JSON.parse(text), model };
      const options = expected.stream_options ?? {};
      if (streamUsage && isObject(options)) expected.stream_options = { ...options, include_usage: true };
      assert.deepEqual({ ...JSON.parse(splice(text, { model, streamUsage })) }, expected);
    }),
    { numRuns: 2000 },
  );
});

test('the bytes around a replaced value are the client’s own', () => {
  const member = fc.tuple(quoted, space, jsonText).filter(([key]) => JSON.parse(key) !== 'model');
  const members = fc.array(
    member.map(([key, gap, value]) => `${key}${gap}:${gap}${value}`),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(members, members, jsonText, space, (before, after, old, gap) => {
      const around = (value: string): string =>
        `${gap}{${[...before, `"model"${gap}:${gap}${value}${gap}`, ...after].join(',')}}${gap}`;
      assert.equal(splice(around(old), { model: 'new' }), around('"new"'));
    }),
    { numRuns: 1000 },
  );
});
