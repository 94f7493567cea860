import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTap } from '../../src/stream/tap.js';
import { delta, facts, KEEP, ROLE, STOP, STRIP, split, sse, through, USAGE } from './tap-fixture.js';

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
  const kept = [filter, both, { type: 'response.completed', response: { usage: USAGE.usage } }, failed];
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

test('what a chunk says of usage only because the gateway asked goes too', () => {
  const plain = sse(delta({ content: 'a' }), STOP, '[DONE]');
  const asked = sse({ ...delta({ content: 'a' }), usage: null }, { ...STOP, usage: null }, USAGE, '[DONE]');
  assert.equal(through([Buffer.from(asked)], STRIP), plain);
  assert.equal(through([Buffer.from(asked)], KEEP), asked);
  for (let at = 1; at < asked.length; at += 7) {
    assert.equal(through(split(Buffer.from(asked), [at]), STRIP), plain);
  }
});
