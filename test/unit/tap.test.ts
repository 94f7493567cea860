import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTap, type StreamFacts, type TapOptions } from '../../src/stream/tap.js';

const KEEP: TapOptions = { stripUsage: false };
const STRIP: TapOptions = { stripUsage: true };

const ROLE = {
  id: 'c1',
  model: 'm1',
  choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
};
const STOP = { id: 'c1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: null };
const USAGE = { id: 'c1', choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } };

function delta(fields: object): object {
  return { id: 'c1', model: 'm1', choices: [{ index: 0, delta: fields, finish_reason: null }], usage: null };
}

function sse(...events: unknown[]): string {
  return events
    .map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
    .join('');
}

function facts(text: string, options: TapOptions = KEEP): StreamFacts {
  const tap = createTap(options);
  tap.write(Buffer.from(text));
  tap.end();
  return tap.facts;
}

function through(chunks: Buffer[], options: TapOptions): string {
  const tap = createTap(options);
  const out = chunks.map((chunk) => tap.write(chunk));
  return Buffer.concat([...out, tap.end()]).toString('utf8');
}

function split(bytes: Buffer, cuts: number[]): Buffer[] {
  const at = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

test('a chat stream tells its facts', () => {
  const seen = facts(
    sse(
      ROLE,
      delta({ content: 'Hé' }),
      delta({ content: 'llo' }),
      delta({ content: ' you' }),
      STOP,
      USAGE,
      '[DONE]',
    ),
  );
  assert.equal(seen.content, true);
  assert.equal(seen.terminated, true);
  assert.equal(seen.finishReason, 'stop');
  assert.equal(seen.usage?.outputText, 2);
  assert.equal(seen.error, null);
  assert.deepEqual([seen.responseId, seen.responseModel], ['c1', 'm1']);
  assert.equal(seen.events, 7);
  assert.equal(seen.contentBytes, Buffer.byteLength('Héllo you'));
});

test('what is not content keeps the way to another target open', () => {
  const waiting = [
    sse(ROLE),
    sse(delta({ role: 'assistant', content: null, tool_calls: [], reasoning_content: '', refusal: null })),
    sse({ choices: [], prompt_filter_results: [{ prompt_index: 0 }], model: '' }),
    sse({ choices: [{ index: 0, finish_reason: null, content_filter_results: {} }] }),
    sse({ choices: [{ index: 0, text: '', finish_reason: null }] }),
    sse(USAGE),
    ': OPENROUTER PROCESSING\n\n\n\ndata:\n\n',
    'event: ping\ndata: {"type": "ping"}\n\n',
    'event: ping\ndata: now\n\n',
    sse({ type: 'response.created', response: { id: 'r' } }, { type: 'response.in_progress', response: {} }),
    sse({ type: 'response.output_item.added', item: { type: 'message', content: [] } }),
    'data: {"choices":[{"delta":{"cont',
  ];
  for (const text of waiting) assert.equal(facts(text).content, false, text);
});

test('every kind of content ends the wait', () => {
  const content = [
    sse(delta({ content: 'a' })),
    sse(delta({ tool_calls: [{ index: 0, id: 't', function: { name: 'f', arguments: '' } }] })),
    sse(delta({ function_call: { name: 'f' } })),
    sse(delta({ reasoning: 'hm' })),
    sse(delta({ reasoning_content: 'hm' })),
    sse(delta({ refusal: 'no' })),
    sse(delta({ audio: { id: 'a' } })),
    sse(delta({ something_new: 1 })),
    sse(STOP),
    sse({ choices: [{ index: 0, text: 'a', finish_reason: null }] }),
    sse({ choices: [{ index: 0, message: { role: 'assistant', content: 'whole' } }] }),
    sse({ type: 'response.output_text.delta', delta: 'a' }),
    sse({ type: 'response.output_item.added', item: { type: 'function_call', name: 'f' } }),
    sse({ type: 'response.completed', response: { status: 'completed' } }),
    sse({ type: 'transcript.text.delta', delta: 'a' }),
    sse({ unknown: true }),
    sse([1]),
    sse('not json'),
  ];
  for (const text of content) assert.equal(facts(text).content, true, text);
});

test('a responses stream tells its facts', () => {
  const usage = {
    input_tokens: 4,
    output_tokens: 6,
    output_tokens_details: { reasoning_tokens: 5 },
    total_tokens: 10,
  };
  const text = sse(
    {
      type: 'response.created',
      response: { id: 'r1', model: 'm', status: 'in_progress', usage: null, error: null },
    },
    { type: 'response.output_text.delta', item_id: 'i', delta: 'Hi' },
    { type: 'response.output_text.delta', item_id: 'i', delta: ' there' },
    { type: 'response.output_text.delta', item_id: 'i', delta: ' you' },
    { type: 'response.output_text.done', item_id: 'i', text: 'Hi there you' },
    { type: 'response.incomplete', response: { id: 'r1', status: 'incomplete', usage, error: null } },
  );
  const seen = facts(text);
  assert.equal(seen.terminated, true);
  assert.equal(seen.finishReason, 'incomplete');
  assert.deepEqual([seen.usage?.outputText, seen.usage?.reasoning], [1, 5]);
  assert.deepEqual([seen.responseId, seen.responseModel], ['r1', 'm']);
  assert.equal(seen.error, null);
  assert.equal(seen.contentBytes, 'Hi there you'.length);
});

test('an error before content leaves content unseen, whatever shape it has', () => {
  const shapes: [string, number | null, string | null, string][] = [
    [sse({ error: { message: 'm', type: 't', code: 'c', status: 503 } }), 503, 'c', 'm'],
    [sse({ error: { code: 429, message: 'm', status: 'RESOURCE_EXHAUSTED' } }), 429, '429', 'm'],
    [sse({ error: 'text' }), null, null, 'text'],
    [
      sse({
        ...STOP,
        error: { code: '502', message: 'm' },
        choices: [{ delta: {}, finish_reason: 'error' }],
      }),
      502,
      '502',
      'm',
    ],
    [
      sse({ choices: [{ delta: {}, finish_reason: 'error', error: { code: 500, message: 'm' } }] }),
      500,
      '500',
      'm',
    ],
    [sse({ choices: [], x_groq: { error: 'over_capacity' } }), null, null, 'over_capacity'],
    [sse({ object: 'error', message: 'm', type: 'BadRequestError', code: 400 }), 400, '400', 'm'],
    [sse({ type: 'error', code: 'server_error', message: 'm' }), null, 'server_error', 'm'],
    [
      sse({ type: 'response.failed', response: { status: 'failed', error: { code: 'c', message: 'm' } } }),
      null,
      'c',
      'm',
    ],
    ['event: error\ndata: {"message":"m","status_code":498}\n\n', 498, null, 'm'],
    ['event: error\ndata: overloaded\n\n', null, null, 'overloaded'],
  ];
  for (const [text, status, code, message] of shapes) {
    const seen = facts(text);
    assert.equal(seen.content, false, text);
    assert.deepEqual(
      [seen.error?.status, seen.error?.code, seen.error?.message],
      [status, code, message],
      text,
    );
  }
});

test('an error after content is seen, and null errors are none', () => {
  const flowing = sse(...['a', 'b', 'c', 'd'].map((content) => delta({ content })));
  const broken = facts(flowing + sse({ error: { message: 'gone', code: 500 } }));
  assert.equal(broken.content, true);
  assert.equal(broken.terminated, false);
  assert.equal(broken.error?.status, 500);
  assert.equal(facts(flowing + sse({ ...delta({ content: 'e' }), error: null })).error, null);
});

test('a stream that is cut short is not terminated', () => {
  const seen = facts(sse(delta({ content: 'a' })));
  assert.equal(seen.terminated, false);
  assert.equal(seen.finishReason, null);
});

test('a last event without its blank line counts at the end', () => {
  const tap = createTap(KEEP);
  tap.write(Buffer.from(`${sse(delta({ content: 'a' }))}data: [DONE]`));
  assert.equal(tap.facts.terminated, false);
  tap.end();
  assert.equal(tap.facts.terminated, true);
});

test('what follows [DONE] is relayed and changes no fact', () => {
  const text = sse(delta({ content: 'a' }), '[DONE]', { error: { message: 'late' } }, USAGE);
  for (const options of [KEEP, STRIP]) {
    assert.equal(through(split(Buffer.from(text), [10, 200, 230]), options), text);
    const seen = facts(text, options);
    assert.deepEqual([seen.error, seen.usage, seen.events], [null, null, 2]);
  }
});

test('without stripUsage every byte is relayed, the usage chunk too', () => {
  const tap = createTap(KEEP);
  const whole = Buffer.from(sse(ROLE, USAGE, '[DONE]'));
  assert.equal(tap.write(whole), whole);
  const pieces = split(whole, [1, 30, 31, 200]);
  const again = createTap(KEEP);
  assert.deepEqual(Buffer.concat([...pieces.map((piece) => again.write(piece)), again.end()]), whole);
});

test('a chunk of whole events is passed as it is', () => {
  const tap = createTap(STRIP);
  const chunk = Buffer.from(sse(ROLE, delta({ content: 'a' })));
  assert.equal(tap.write(chunk), chunk);
});

test('an unfinished event waits for its end', () => {
  const tap = createTap(STRIP);
  assert.equal(tap.write(Buffer.from('data: {"a"')).length, 0);
  assert.equal(tap.write(Buffer.from(':1}\n')).length, 0);
  assert.equal(tap.write(Buffer.from('\ndata')).toString(), 'data: {"a":1}\n\n');
  assert.equal(tap.end().toString(), 'data');
});

test('only a chunk that carries nothing but usage is stripped', () => {
  const filter = { choices: [], prompt_filter_results: [] };
  const both = { ...STOP, usage: USAGE.usage };
  const failed = { ...USAGE, error: { message: 'm' } };
  const kept = [
    filter,
    both,
    failed,
    { ...filter, usage: null },
    { type: 'response.completed', response: { usage: USAGE.usage } },
  ];
  assert.equal(through([Buffer.from(sse(...kept))], STRIP), sse(...kept));
});

test('an empty read between the halves of a line end changes nothing', () => {
  const tap = createTap(STRIP);
  const usage = `data: ${JSON.stringify(USAGE)}\r\n\r`;
  const written = [usage, '', '\n', 'data: 1\n\n'].map((text) => tap.write(Buffer.from(text)).toString());
  assert.equal(written.join(''), 'data: 1\n\n');
});

test('a usage chunk that the stream ends in is stripped as well', () => {
  assert.equal(through([Buffer.from(`${sse(STOP)}data: ${JSON.stringify(USAGE)}`)], STRIP), sse(STOP));
});

test('an event above the cap is relayed at once, and counts as content', () => {
  const tap = createTap({ stripUsage: true, maxEventBytes: 300 });
  const large = Buffer.from(`data: ${'x'.repeat(400)}`);
  assert.equal(tap.write(large.subarray(0, 200)).length, 0);
  assert.deepEqual(tap.write(large.subarray(200)), large);
  assert.equal(tap.facts.content, true);
  const rest = Buffer.from('y\n\n');
  assert.equal(tap.write(rest), rest);
  assert.equal(tap.write(Buffer.from(sse(USAGE))).length, 0);
  assert.equal(tap.facts.usage?.outputText, 2);
});

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
  fc.constantFrom<object>(
    { choices: [], usage: null },
    { type: 'speech.audio.done' },
    { x_groq: { usage: USAGE.usage } },
  ),
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

test('the cheap check after content misses no fact', () => {
  fc.assert(
    fc.property(fc.array(payload), (payloads) => {
      const warm = Array.from({ length: 3 }, () => JSON.stringify(delta({ content: 'warm' })));
      const seen = facts(sse(...warm, ...payloads));
      // A tap that has seen no content parses everything: one per event, merged as the stream's are.
      const each = payloads.map((text) => facts(sse(text)));
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

const block = fc.oneof(
  { weight: 3, arbitrary: payload.map((text) => `data: ${text}`) },
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
      assert.equal(through(chunks, STRIP), write(parts.filter(({ usage }) => !usage)));
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
