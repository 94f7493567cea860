import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFramer } from '../../src/stream/framer.js';
import { withoutNullUsage } from '../../src/stream/null-usage.js';
import { createObserver } from '../../src/stream/observer.js';
import { createRoutine } from '../../src/stream/routine.js';
import { createTap, type TapOptions } from '../../src/stream/tap.js';
import { delta, facts, ROLE, STOP, split, sse, through, USAGE } from './tap-fixture.js';

const JSON_CHAT: TapOptions = { stripUsage: false, json: true, choices: 2 };

/** What a tap does, of which each event is read. The stream is written in one piece. */
function slowly(bytes: Buffer, { stripUsage, json = false, choices = 1 }: TapOptions) {
  const observer = createObserver(json, choices);
  let kept = Buffer.alloc(0);
  let from = 0;
  let isCut = false;
  const keepTo = (end: number) => {
    if (!isCut && !observer.facts.malformed) kept = Buffer.concat([kept, bytes.subarray(from, end)]);
    from = end;
    isCut = false;
  };
  const framer = createFramer({
    maxEventBytes: 1_000_000,
    onEvent(data, event, complete) {
      isCut = observer.observe(data, event, complete) && stripUsage;
    },
    onBoundary: keepTo,
  });
  framer.write(bytes);
  framer.end();
  keepTo(bytes.length);
  return { out: (stripUsage ? withoutNullUsage(kept) : kept).toString('utf8'), facts: observer.facts };
}

function observe(chunks: Buffer[], options: TapOptions) {
  const tap = createTap(options);
  const out = Buffer.concat([...chunks.map((chunk) => tap.write(chunk)), tap.end()]);
  return { out: out.toString('utf8'), facts: tap.facts };
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    '',
    ' token',
    '"usage":null',
    '"finish_reason":"stop"',
    '\n\ndata: [DONE]\n\n',
    '\\',
    '\\"',
    '\u0001',
  ),
);
const common: fc.Arbitrary<object> = fc.oneof(
  text.map((content) => delta({ content })),
  text.map((reasoning) => delta({ reasoning })),
  text.map((content) => ({ ...delta({ content }), usage: null, obfuscation: content })),
  fc
    .tuple(text, fc.nat(1))
    .map(([content, index]) => ({ id: 'c1', choices: [{ index, delta: { content } }] })),
  text.map((args) => delta({ tool_calls: [{ index: 0, function: { arguments: args } }] })),
  fc.tuple(text, fc.nat(99)).map(([said, number]) => ({
    type: 'response.output_text.delta',
    sequence_number: number,
    delta: said,
    obfuscation: 'x',
  })),
);
const rare: fc.Arbitrary<object> = fc.constantFrom<object>(
  STOP,
  { choices: [{ index: 1, delta: {}, finish_reason: 'length' }] },
  USAGE,
  { ...STOP, usage: USAGE.usage },
  { ...delta({ content: 'x' }), usage: USAGE.usage },
  { ...delta({ content: 'x' }), error: null },
);
const spelled = fc
  .tuple(
    common,
    fc.constantFrom<(value: object) => string>(JSON.stringify, (value) =>
      JSON.stringify(value, null, 1).replaceAll('\n', ' '),
    ),
  )
  .map(([value, spell]) => spell(value));
const repeated = fc
  .tuple(spelled, fc.integer({ min: 1, max: 6 }))
  .map(([one, times]) => Array.from({ length: times }, () => `data: ${one}\n\n`).join(''));
const event = fc.oneof(
  { weight: 12, arbitrary: repeated },
  { weight: 3, arbitrary: spelled.map((one) => `event: response.output_text.delta\ndata: ${one}\n\n`) },
  { weight: 3, arbitrary: rare.map((one) => `data: ${JSON.stringify(one)}\n\n`) },
  fc.constantFrom(': ping\n\n', '\n', 'data: {"choices":[]}\n\n'),
);
/** What follows one of these is nobody's any more. */
const last = fc.constantFrom(
  '',
  'data: {"cut',
  'data: {"choices":[{"delta":{"content":"cut\n\n',
  'data: [DONE]\n\n',
  sse({ error: { message: 'overloaded', code: 529 } }),
  sse({ ...delta({ content: 'x' }), error: { message: 'overloaded' } }),
);
const stream = fc
  .tuple(fc.array(event, { maxLength: 12 }), last, fc.constantFrom('\n', '\r\n', '\r'))
  .map(([events, end, lineEnd]) => {
    const start = sse(ROLE, ...['a', 'b', 'c'].map((content) => delta({ content })));
    return Buffer.from((start + events.join('') + end).replaceAll('\n', lineEnd));
  });

for (const stripUsage of [false, true]) {
  test(`events that are passed by tell and become what events that are read do, stripped: ${stripUsage}`, () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 6 }), (bytes, cuts) => {
        const options = { ...JSON_CHAT, stripUsage };
        const slow = slowly(bytes, options);
        const fast = observe(split(bytes, cuts), options);
        assert.equal(fast.out, slow.out);
        // The bytes of text are an estimate, which escapes make differ.
        const { contentBytes: some, ...seen } = fast.facts;
        const { contentBytes: others, ...expected } = slow.facts;
        assert.deepEqual(seen, expected);
        assert.ok(some >= 0 && others >= 0);
      }),
      { numRuns: 1500 },
    );
  });
}

test('the bytes of text are counted in events that are passed by', () => {
  const words = Array.from({ length: 50 }, (_, index) => 'word '.repeat(index % 7));
  const seen = facts(sse(ROLE, ...words.map((content) => delta({ content })), STOP), JSON_CHAT);
  assert.equal(seen.contentBytes, words.join('').length);
  assert.equal(seen.events, 52);
});

test('padding is no text, and sequence numbers may grow', () => {
  const events = Array.from({ length: 120 }, (_, sequence_number) => ({
    type: 'response.output_text.delta',
    sequence_number,
    delta: 'four',
    obfuscation: 'x'.repeat(sequence_number % 9),
  }));
  assert.equal(facts(sse(...events)).contentBytes, 4 * 120);
});

test('a null usage is taken out of events that are passed by, also of one that comes in pieces', () => {
  const contents = Array.from({ length: 40 }, (_, index) => `"usage":null ${index}`);
  const make = (more: object) =>
    sse(...contents.map((content) => ({ ...delta({ content }), ...more, z: 1 })));
  const asked = Buffer.from(make({ usage: null }));
  for (const at of [1, 3000, 3001, 3090, asked.length - 1]) {
    assert.equal(through(split(asked, [at]), { ...JSON_CHAT, stripUsage: true }), make({}));
  }
});

/** A block of its own that says the content. */
const block = (content: string) => Buffer.from(sse(delta({ content })));

test('known events are passed by up to the first that differs', () => {
  const routine = createRoutine();
  const tally = { events: 0, contentBytes: 0 };
  routine.learn(block('one'), []);
  const known = Buffer.concat([block('two'), block('say \\"it\\"'), block('')]);
  const bytes = Buffer.concat([known, Buffer.from(sse(STOP)), block('later')]);
  assert.equal(routine.passBy(bytes, 0, tally, []), known.length);
  assert.equal(tally.events, 3);
  assert.equal(routine.passBy(bytes, known.length, tally, []), known.length);
});

test('an event that is not all there is not passed by', () => {
  const routine = createRoutine();
  const tally = { events: 0, contentBytes: 0 };
  routine.learn(block('one'), []);
  const whole = block('another');
  for (let length = 0; length < whole.length; length++) {
    assert.equal(routine.passBy(whole.subarray(0, length), 0, tally, []), 0);
  }
  assert.equal(routine.passBy(whole, 0, tally, []), whole.length);
});

test('a string that JSON does not allow is none', () => {
  const routine = createRoutine();
  routine.learn(block('one'), []);
  for (const byte of ['\n', '\r', '\u0000', '\\\n']) {
    const bytes = Buffer.from(block('one').toString().replace('one', `o${byte}e`));
    assert.equal(routine.passBy(bytes, 0, { events: 0, contentBytes: 0 }, []), 0);
  }
});

test('events of several shapes may take turns', () => {
  const routine = createRoutine();
  const other = (content: string) => Buffer.from(sse(delta({ reasoning: content })));
  routine.learn(block('one'), []);
  routine.learn(other('one'), []);
  const bytes = Buffer.concat([block('a'), other('b'), other('c'), block('d')]);
  assert.equal(routine.passBy(bytes, 0, { events: 0, contentBytes: 0 }, []), bytes.length);
});
