import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assemble } from '../../src/payloads/assemble.js';

const sse = (...events: unknown[]) =>
  Buffer.from(
    events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join(''),
  );
const answerOf = (...events: unknown[]) => {
  const answer = assemble(sse(...events));
  return answer === null ? null : JSON.parse(String(answer));
};
const chunk = (delta: object, finish: string | null = null, index = 0) => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index, delta, logprobs: null, finish_reason: finish }],
});

test('the chunks of a chat become the completion they stand for', () => {
  const usage = { prompt_tokens: 3, completion_tokens: 2 };
  const answer = answerOf(
    chunk({ role: 'assistant', content: '', refusal: null }),
    chunk({ content: 'Hel' }),
    chunk({ content: 'lo', reasoning_content: 'mm' }),
    chunk({ reasoning_content: 'hm' }),
    chunk({}, 'stop'),
    {
      id: 'c1',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'm',
      choices: [],
      usage,
      obfuscation: 'xx',
    },
    '[DONE]',
  );
  assert.deepEqual(answer, {
    id: 'c1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    usage,
    choices: [
      {
        index: 0,
        logprobs: null,
        finish_reason: 'stop',
        message: { role: 'assistant', content: 'Hello', refusal: null, reasoning_content: 'mmhm' },
      },
    ],
  });
});

test('tool calls are joined by their index, side by side', () => {
  const call = (index: number, fields: object) => ({ tool_calls: [{ index, ...fields }] });
  const answer = answerOf(
    chunk({ role: 'assistant', content: null }),
    chunk(call(0, { id: 'a', type: 'function', function: { name: 'f', arguments: '' } })),
    chunk(call(0, { function: { arguments: '{"x"' } })),
    chunk(call(1, { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } })),
    chunk(call(0, { function: { arguments: ':1}' } })),
    chunk({}, 'tool_calls'),
  );
  assert.deepEqual(answer.choices[0].message.tool_calls, [
    { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
    { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
  ]);
  assert.equal(answer.choices[0].message.content, null);
});

test('several choices and log probabilities come together', () => {
  const withLogprobs = (text: string) => {
    const made = chunk({ content: text });
    return { ...made, choices: [{ ...made.choices[0], logprobs: { content: [{ token: text }] } }] };
  };
  const answer = answerOf(withLogprobs('a'), withLogprobs('b'), chunk({ content: 'other' }, 'stop', 1));
  assert.deepEqual(answer.choices[0].logprobs, { content: [{ token: 'a' }, { token: 'b' }] });
  assert.deepEqual(
    answer.choices.map((choice: { message: { content: string } }) => choice.message.content),
    ['ab', 'other'],
  );
});

test('a chat that broke off is what there was of it, without a reason to finish', () => {
  const stream = sse(chunk({ role: 'assistant', content: 'Hel' }), chunk({ content: 'lo' }));
  const answer = JSON.parse(String(assemble(stream.subarray(0, stream.length - 30))));
  assert.equal(answer.choices[0].message.content, 'Hel');
  assert.equal(answer.choices[0].finish_reason, null);
});

test('an error in a stream is kept beside the answer, or alone', () => {
  const error = { message: 'overloaded' };
  assert.deepEqual(answerOf({ error }), { error });
  const answer = answerOf(chunk({ content: 'Hi' }), { error });
  assert.deepEqual(answer.error, error);
  assert.equal(answer.choices[0].message.content, 'Hi');
});

test('a response is the one in its final event', () => {
  const response = { id: 'r', status: 'completed', output: [{ type: 'message' }], usage: {} };
  const answer = answerOf(
    { type: 'response.created', response: { id: 'r', status: 'in_progress', output: [] } },
    { type: 'response.output_text.delta', output_index: 0, delta: 'Hi' },
    { type: 'response.completed', response },
  );
  assert.deepEqual(answer, response);
});

test('a response that broke off has its finished items and the text of the unfinished one', () => {
  const answer = answerOf(
    { type: 'response.created', response: { id: 'r', status: 'in_progress', output: [] } },
    { type: 'response.output_item.done', output_index: 0, item: { id: 'x', type: 'reasoning' } },
    { type: 'response.output_item.added', output_index: 1, item: { id: 'y', type: 'message', content: [] } },
    { type: 'response.output_text.delta', output_index: 1, delta: 'Hel' },
    { type: 'response.output_text.delta', output_index: 1, delta: 'lo' },
  );
  assert.equal(answer.status, 'in_progress');
  assert.deepEqual(answer.output, [
    { id: 'x', type: 'reasoning' },
    { id: 'y', type: 'message', content: [{ type: 'output_text', text: 'Hello' }] },
  ]);
});

test('text completions and the final events of other streams are assembled too', () => {
  const text = (piece: string) => ({
    id: 't',
    object: 'text_completion',
    choices: [{ index: 0, text: piece }],
  });
  assert.deepEqual(answerOf(text('a'), text('b')), {
    id: 't',
    object: 'text_completion',
    choices: [{ index: 0, text: 'ab' }],
  });
  const done = { type: 'transcript.text.done', text: 'all of it' };
  assert.deepEqual(answerOf({ type: 'transcript.text.delta', delta: 'all' }, done), done);
});

test('a stream of an unknown kind is not assembled', () => {
  assert.equal(answerOf({ hello: 'world' }, 'text', 5), null);
  assert.equal(assemble(Buffer.alloc(0)), null);
});

test('whatever is streamed, nothing throws and no prototype changes', () => {
  const poisoned = '{"choices":[{"index":0,"delta":{"__proto__":{"polluted":1},"content":"a"}}]}';
  assemble(sse(poisoned, poisoned));
  assert.equal(Reflect.get({}, 'polluted'), undefined);
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.array(fc.jsonValue()), (events, deltas) => {
      assemble(sse(...events, ...deltas.map((delta) => ({ choices: [{ index: 0, delta }] }))));
      assemble(sse(...deltas.map((item) => ({ type: 'response.output_item.done', item, response: item }))));
    }),
  );
});
