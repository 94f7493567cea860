import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';
import fc from 'fast-check';
import { createTap, type StreamFacts } from '../../src/stream/tap.js';

const CHUNK = 65_536;
const LARGE = 3_000_000;
const LIMIT = 1_048_576;

function chunksOf(bytes: Buffer, size = CHUNK): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );
}

/** The facts of a stream in pieces of a size, and that it came out as it went in. */
function facts(text: string, size = CHUNK): StreamFacts {
  const tap = createTap({ stripUsage: true });
  const bytes = Buffer.from(text);
  const out = chunksOf(bytes, size).map((chunk) => tap.write(chunk));
  assert.ok(Buffer.concat([...out, tap.end()]).equals(bytes));
  return tap.facts;
}

function image(usage: unknown): string {
  const event = {
    type: 'image_generation.completed',
    b64_json: 'A'.repeat(LARGE),
    created_at: 1,
    size: '1024x1024',
    usage,
  };
  return `event: image_generation.completed\ndata: ${JSON.stringify(event)}\n\n`;
}

function response(output: unknown, metadata: Record<string, string> = {}): string {
  const usage = { input_tokens: 4, output_tokens: 6, total_tokens: 10 };
  const event = {
    type: 'response.completed',
    response: {
      id: 'r1',
      object: 'response',
      status: 'completed',
      error: null,
      instructions: 'Be "brief", {please}.',
      model: 'm',
      output,
      tools: [{ type: 'function', parameters: { properties: { usage: { type: 'string' } } } }],
      usage,
      metadata,
    },
    sequence_number: 7,
  };
  return `event: response.completed\ndata: ${JSON.stringify(event)}\n\n`;
}

test('the last event of an image stream is read although it is too large to be kept', () => {
  const usage = { input_tokens: 50, output_tokens: 4160, total_tokens: 4210 };
  for (const size of [CHUNK, 1_000_003, 10_000_000]) {
    const seen = facts(image(usage), size);
    assert.deepEqual(
      [seen.finishReason, seen.usage?.inputUncached, seen.usage?.outputText, seen.content, seen.events],
      ['completed', 50, 4160, true, 1],
      `in chunks of ${size}`,
    );
    assert.equal(seen.contentBytes, 0, 'an image is no text');
  }
});

test('a large final response is read, wherever its size is', () => {
  const large = 'x'.repeat(LARGE);
  const call = { type: 'image_generation_call', id: 'i', status: 'completed', result: large };
  const message = (text: string) => ({ type: 'message', content: [{ type: 'output_text', text }] });
  const many = Array.from({ length: 2000 }, (_, at) => message(`"${at}" \\ {${'é'.repeat(1000)}`));
  for (const output of [[call], [call, message('Hi')], [message('Hi'), call], [message(large)], many]) {
    const seen = facts(response(output));
    assert.deepEqual(
      [seen.terminated, seen.finishReason, seen.usage?.outputText, seen.responseId],
      [true, 'completed', 6, 'r1'],
    );
  }
});

test('the largest metadata that OpenAI allows does not hide the usage', () => {
  const metadata = Object.fromEntries(
    Array.from({ length: 16 }, (_, at) => [`${at}`.padEnd(64, 'k'), '本'.repeat(512)]),
  );
  const seen = facts(response(['x'.repeat(LARGE)], metadata));
  assert.deepEqual([seen.terminated, seen.usage?.outputText], [true, 6]);
});

test('a large event on several lines, with other line ends and its type last, is read', () => {
  const text = `\ufeff: note\r\ndata: {"b64_json":"${'A'.repeat(LARGE)}",\r\ndata: "usage":{"input_tokens":1,\r\ndata: "output_tokens":2}}\r\nevent: image_edit.completed\r\n\r\n`;
  const seen = facts(text);
  assert.deepEqual([seen.finishReason, seen.usage?.outputText], ['completed', 2]);
});

test('a large event that is cut off says nothing, not even when what came of it looks whole', () => {
  const whole = image({ input_tokens: 1, output_tokens: 2 });
  for (const missing of [2, 3, 4, 20, 100]) {
    const seen = facts(whole.slice(0, -missing));
    assert.deepEqual([seen.terminated, seen.finishReason, seen.usage], [false, null, null], `${missing}`);
  }
  assert.equal(facts(whole.slice(0, -1)).finishReason, 'completed', 'its line is whole');
});

test('a large comment is no event, and a large event that is no JSON is content', () => {
  const comment = facts(`: ${'x'.repeat(LARGE)}\n\n`);
  assert.deepEqual([comment.finishReason, comment.error, comment.terminated], [null, null, false]);
  const noise = facts(`data: ${'x'.repeat(LARGE)}\n\ndata: [DONE]\n\n`);
  assert.deepEqual([noise.content, noise.error, noise.terminated], [true, null, true]);
});

test('what follows a large event is observed again, and a usage chunk is cut out', () => {
  const usage = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n';
  const chunk = `data: {"choices":[{"delta":{"content":"${'x'.repeat(LARGE)}"},"finish_reason":"stop"}]}\n\n`;
  const tap = createTap({ stripUsage: true });
  const bytes = Buffer.from(`${chunk}${usage}data: [DONE]\n\n`);
  const out = chunksOf(bytes).map((piece) => tap.write(piece));
  const text = Buffer.concat([...out, tap.end()]).toString();
  assert.ok(text === `${chunk}data: [DONE]\n\n`);
  assert.deepEqual(
    [tap.facts.finishReason, tap.facts.usage?.outputText, tap.facts.terminated],
    ['stop', 2, true],
  );
});

/** One endless event, with lines or without any. */
const ENDLESS = {
  'one line': () => Buffer.alloc(CHUNK, 'x'),
  'many lines': () => Buffer.from('data: x\n'.repeat(8192)),
};

for (const [name, make] of Object.entries(ENDLESS)) {
  test(`an endless event of ${name} takes no more memory than its limit`, () => {
    v8.setFlagsFromString('--expose-gc');
    const collect: unknown = vm.runInNewContext('gc');
    assert.ok(typeof collect === 'function');
    const tap = createTap({ stripUsage: true });
    tap.write(Buffer.from('data: '));
    const used = (): number => {
      collect();
      const { arrayBuffers, heapUsed } = process.memoryUsage();
      return arrayBuffers + heapUsed;
    };
    const before = used();
    let most = 0;
    let behind = 6;
    for (let round = 0; round < 1000; round++) {
      const chunk = make();
      behind += chunk.length - tap.write(chunk).length;
      assert.ok(behind <= LIMIT, 'no more than one event is held back');
      if (round % 8 === 7) most = Math.max(most, used() - before);
    }
    // Both the framer and the cutter keep the event below the limit, in a buffer that grows by doubling.
    assert.ok(most < 5 * LIMIT, `${most} bytes`);
    assert.ok(used() - before < LIMIT, 'above the limit only its ends are kept');
  });
}

test('at no split is a byte lost, added or moved', () => {
  const text = `${response(['x'.repeat(1_200_000)])}data: {"choices":[]}\n\n`;
  const bytes = Buffer.from(text);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
      const tap = createTap({ stripUsage: true });
      const at = [0, ...cuts, bytes.length].sort((a, b) => a - b);
      const out = at.slice(1).map((end, index) => tap.write(bytes.subarray(at[index], end)));
      assert.ok(Buffer.concat([...out, tap.end()]).equals(bytes));
      assert.equal(tap.facts.usage?.outputText, 6);
    }),
    { numRuns: 50 },
  );
});
