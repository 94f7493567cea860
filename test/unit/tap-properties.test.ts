import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withoutNullUsage } from '../../src/stream/null-usage.js';
import { createTap } from '../../src/stream/tap.js';
import { delta, facts, KEEP, ROLE, STOP, STRIP, split, sse, through, USAGE } from './tap-fixture.js';

const anyDelta = fc.oneof(
  fc.string({ unit: 'grapheme' }).map((content) => delta({ content })),
  fc.constantFrom<object>(ROLE, STOP, delta({ content: '"error"' }), delta({ content: 'finish_reason' })),
  fc.constantFrom<object>(
    { error: { message: 'x' } },
    { error: null, choices: [] },
    { object: 'error', message: 'y' },
  ),
  fc.constantFrom<object>(
    { ...STOP, usage: USAGE.usage },
    { type: 'response.completed', response: { status: 's' } },
  ),
  fc.constantFrom<object>({ choices: [] }, { type: 'speech.audio.done' }, { x_groq: { usage: USAGE.usage } }),
  fc
    .jsonValue()
    .map((value) => ({ choices: [{ delta: value, finish_reason: value }], usage: value, error: value })),
);
const spelling = fc.constantFrom<(value: object) => string>(
  (value) => JSON.stringify(value),
  (value) => JSON.stringify(value, null, 1).replaceAll('\n', ' '),
  (value) =>
    JSON.stringify(value).replaceAll('"error"', '"err\\u006fr"').replaceAll('"usage"', '"\\u0075sage"'),
);
const payload = fc.tuple(anyDelta, spelling).map(([value, spell]) => spell(value));

const named = fc.constantFrom(
  ...[
    '',
    'event: message\n',
    'event: error\n',
    'event: transcript.text.done\n',
    'event: thread.run.failed\n',
  ],
  ...['event: thread.run.expired\n', 'event: response.completed\n', 'event: response.output_text.delta\n'],
);
const namedPayload = fc.tuple(named, payload).map(([name, text]) => `${name}data: ${text}\n\n`);

test('the cheap check after content misses no fact', () => {
  fc.assert(
    fc.property(fc.array(namedPayload), (events) => {
      const warm = Array.from({ length: 3 }, () => JSON.stringify(delta({ content: 'warm' })));
      const seen = facts(sse(...warm) + events.join(''));
      // A tap that has seen no content parses everything: one per event, merged as the stream's are.
      const each = events.map((text) => facts(text));
      const last = <T>(values: (T | null)[]): T | null => values.findLast((value) => value !== null) ?? null;
      assert.equal(
        seen.terminated,
        each.some((one) => one.terminated),
      );
      assert.equal(seen.finishReason, last(each.map((one) => one.finishReason)));
      assert.deepEqual(seen.usage, last(each.map((one) => one.usage)));
      assert.deepEqual(seen.error, each.map((one) => one.error).find((error) => error !== null) ?? null);
    }),
    { numRuns: 1000 },
  );
});

// Nothing is said after an error: those have tests of their own.
const harmless = payload.filter((text) => facts(`data: ${text}\n\n`).error === null);
const block = fc.oneof(
  { weight: 3, arbitrary: harmless.map((text) => `data: ${text}`) },
  fc.constantFrom(': ping', 'event: message\ndata: {"a":\ndata: 1}', 'retry: 3', 'data: é日本🙂', ''),
);
const usageBlock = fc.constantFrom(
  `data: ${JSON.stringify(USAGE)}`,
  `: note\nevent: x\ndata:${JSON.stringify(USAGE)}`,
);
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');

test('the bytes come out as they went in, and stripped they lack exactly the usage chunks', () => {
  const blocks = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: block.map((text) => ({ text, usage: false })) },
      usageBlock.map((text) => ({ text, usage: true })),
    ),
  );
  const start = fc.constantFrom('', '\ufeff: start\n\n');
  fc.assert(
    fc.property(start, blocks, lineEnd, fc.array(fc.nat()), (bom, parts, end, cuts) => {
      const write = (list: typeof parts): string =>
        (bom + list.map(({ text }) => `${text}\n\n`).join('')).replaceAll('\n', end);
      const chunks = split(Buffer.from(write(parts)), cuts);
      assert.equal(through(chunks, KEEP), write(parts));
      // An empty block before a usage chunk is a blank line of its own, so it stays.
      const kept = Buffer.from(write(parts.filter(({ usage }) => !usage)));
      assert.equal(through(chunks, STRIP), withoutNullUsage(kept).toString());
    }),
    { numRuns: 2000 },
  );
});

test('no bytes make it throw or lose any', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), fc.constantFrom(7, 1000), (parts, maxEventBytes) => {
      const chunks = parts.map((part) => Buffer.from(part));
      const tap = createTap({ stripUsage: true, maxEventBytes });
      const out = chunks.map((chunk) => tap.write(chunk));
      assert.deepEqual(Buffer.concat([...out, tap.end()]), Buffer.concat(chunks));
    }),
  );
});
