import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTap, type StreamFacts } from '../../src/stream/tap.js';

type Named = [event: string | null, data: unknown];

function facts(events: Named[]): StreamFacts {
  const tap = createTap({ stripUsage: false });
  for (const [event, data] of events) {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    tap.write(Buffer.from(`${event === null ? '' : `event: ${event}\n`}data: ${text}\n\n`));
  }
  tap.end();
  return tap.facts;
}

/** An event whose type is in its data as well. */
function typed(type: string, fields: object = {}): Named {
  return [type, { type, ...fields }];
}

const RUN = { id: 'run_1', object: 'thread.run', model: 'gpt-4o', last_error: null, usage: null };
const STEP = { id: 'step_1', object: 'thread.run.step', type: 'message_creation', last_error: null };
const MESSAGE = { id: 'msg_1', object: 'thread.message', content: [] };
const ANNOUNCED: Named[] = [
  ['thread.created', { id: 'thread_1', object: 'thread' }],
  ['thread.run.created', { ...RUN, status: 'queued' }],
  ['thread.run.queued', { ...RUN, status: 'queued' }],
  ['thread.run.in_progress', { ...RUN, status: 'in_progress' }],
  ['thread.run.step.created', { ...STEP, status: 'in_progress' }],
  ['thread.run.step.in_progress', { ...STEP, status: 'in_progress' }],
  ['thread.message.created', MESSAGE],
  ['thread.message.in_progress', MESSAGE],
];
const DONE: Named = ['done', '[DONE]'];

function words(...values: string[]): Named[] {
  return values.map((value) => {
    const content = [{ index: 0, type: 'text', text: { value, annotations: [] } }];
    return ['thread.message.delta', { id: 'msg_1', object: 'thread.message.delta', delta: { content } }];
  });
}

test('an assistant’s run tells its facts', () => {
  const usage = { prompt_tokens: 20, completion_tokens: 11, total_tokens: 31 };
  const run = facts([
    ...ANNOUNCED,
    ...words('Hello', ' there', ' you', ' all'),
    [
      'thread.message.completed',
      { ...MESSAGE, content: [{ type: 'text', text: { value: 'Hello there you all' } }] },
    ],
    [
      'thread.run.step.completed',
      { ...STEP, status: 'completed', usage: { ...usage, completion_tokens: 5 } },
    ],
    ['thread.run.completed', { ...RUN, status: 'completed', usage }],
    DONE,
  ]);
  assert.deepEqual(
    [run.content, run.terminated, run.finishReason, run.error],
    [true, true, 'completed', null],
  );
  assert.deepEqual([run.usage?.inputUncached, run.usage?.outputText], [20, 11]);
  assert.deepEqual([run.responseId, run.responseModel], ['run_1', 'gpt-4o']);
  assert.equal(run.contentBytes, 'Hello there you all'.length);
});

test('a run is over with `[DONE]`, so that this reaches the client too', () => {
  const run = facts([...ANNOUNCED, ...words('a'), ['thread.run.completed', { ...RUN, status: 'completed' }]]);
  assert.equal(run.terminated, false);
  assert.equal(run.finishReason, 'completed');
});

test('what announces a run is not content', () => {
  for (let count = 1; count <= ANNOUNCED.length; count++) {
    assert.equal(facts(ANNOUNCED.slice(0, count)).content, false, ANNOUNCED[count - 1]?.[0] ?? '');
  }
});

test('every way in which a run ends is seen, also after much text', () => {
  const much = words(...Array.from({ length: 10 }, () => 'word '));
  for (const status of ['completed', 'incomplete', 'cancelled', 'expired', 'requires_action']) {
    const run = facts([...ANNOUNCED, ...much, [`thread.run.${status}`, { ...RUN, status }]]);
    assert.deepEqual([run.content, run.finishReason], [true, status], status);
  }
});

test('what one step of a run used is not what the run used', () => {
  const usage = { prompt_tokens: 20, completion_tokens: 5 };
  const step: Named = ['thread.run.step.completed', { ...STEP, status: 'completed', usage }];
  assert.equal(
    facts([...ANNOUNCED, step, ['thread.run.cancelled', { ...RUN, status: 'cancelled' }]]).usage,
    null,
  );
});

test('a run that fails is an error with the run’s own words', () => {
  const failed: Named = [
    'thread.run.failed',
    { ...RUN, status: 'failed', last_error: { code: 'rate_limit_exceeded', message: 'Too fast.' } },
  ];
  const early = facts([...ANNOUNCED, failed]);
  assert.deepEqual(
    [early.content, early.error?.code, early.error?.message],
    [false, 'rate_limit_exceeded', 'Too fast.'],
  );
  const late = facts([...ANNOUNCED, ...words('a', 'b', 'c'), failed]);
  assert.deepEqual([late.content, late.error?.message], [true, 'Too fast.']);
});

test('a call of a tool in a run is content, and its arguments are its text', () => {
  const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } };
  const delta = { step_details: { type: 'tool_calls', tool_calls: [call] } };
  const run = facts([...ANNOUNCED, ['thread.run.step.delta', { object: 'thread.run.step.delta', delta }]]);
  assert.equal(run.content, true);
  assert.equal(run.contentBytes, 'f{"a":1}'.length);
});

test('a speech stream tells its facts, and its audio is no text', () => {
  const audio = 'A'.repeat(1000);
  const speech = facts([
    ...Array.from({ length: 5 }, () => typed('speech.audio.delta', { audio })),
    typed('speech.audio.done', { usage: { input_tokens: 14, output_tokens: 101, total_tokens: 115 } }),
  ]);
  assert.deepEqual([speech.content, speech.terminated], [true, true]);
  assert.deepEqual([speech.usage?.inputUncached, speech.usage?.outputText], [14, 101]);
  assert.equal(speech.contentBytes, 0);
});

test('a transcription stream tells its facts, and its text counts once', () => {
  const pieces = ['I ', 'see ', 'skies ', 'of ', 'blue'];
  const usage = {
    type: 'tokens',
    input_tokens: 14,
    input_token_details: { text_tokens: 0, audio_tokens: 14 },
    output_tokens: 45,
    total_tokens: 59,
  };
  for (const named of [true, false]) {
    const events: Named[] = [
      ...pieces.map((delta) => typed('transcript.text.delta', { delta })),
      typed('transcript.text.segment', { id: 'seg_1', text: pieces.join(''), speaker: 'A' }),
      typed('transcript.text.done', { text: pieces.join(''), usage }),
    ];
    const heard = facts(events.map(([event, data]) => [named ? event : null, data]));
    assert.deepEqual([heard.content, heard.terminated], [true, true]);
    assert.deepEqual([heard.usage?.audioInput, heard.usage?.outputText], [14, 45]);
    assert.equal(heard.contentBytes, pieces.join('').length);
  }
});

test('an image stream goes on until its end, because there may be several images', () => {
  const usage = { input_tokens: 9, output_tokens: 4, total_tokens: 13 };
  for (const api of ['image_generation', 'image_edit']) {
    const partial = typed(`${api}.partial_image`, { b64_json: 'AAAA', partial_image_index: 0 });
    assert.deepEqual([facts([partial]).content, facts([partial]).finishReason], [true, null]);
    const images = facts([partial, typed(`${api}.completed`, { b64_json: 'AAAA', usage })]);
    assert.deepEqual(
      [images.terminated, images.finishReason, images.usage?.outputText],
      [false, 'completed', 4],
    );
  }
});

test('a stream of plain completions tells its facts', () => {
  const chunk = (text: string, finish_reason: string | null = null): Named => [
    null,
    {
      id: 'cmpl-1',
      object: 'text_completion',
      model: 'm',
      choices: [{ index: 0, text, logprobs: null, finish_reason }],
    },
  ];
  const usage: Named = [
    null,
    { id: 'cmpl-1', choices: [], usage: { prompt_tokens: 5, completion_tokens: 7 } },
  ];
  const seen = facts([
    ...['Say', ' this', ' is', ' a', ' test'].map((text) => chunk(text)),
    chunk('', 'length'),
    usage,
    [null, '[DONE]'],
  ]);
  assert.deepEqual([seen.content, seen.terminated, seen.finishReason], [true, true, 'length']);
  assert.equal(seen.usage?.outputText, 7);
  assert.equal(seen.contentBytes, 'Say this is a test'.length);
  assert.deepEqual([seen.responseId, seen.responseModel], ['cmpl-1', 'm']);
});

test('images and audio in a chat are content, and no text', () => {
  const chunk = (delta: object): Named => [null, { choices: [{ index: 0, delta }] }];
  const text = ['one', 'two', 'three'].map((content) => chunk({ content }));
  const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(9000)}` } };
  const chat = facts([...text, chunk({ images: [image] }), chunk({ audio: { data: 'A'.repeat(9000) } })]);
  assert.equal(chat.contentBytes, 'onetwothree'.length);
  assert.equal(facts([chunk({ images: [image] })]).content, true);
});

test('the padding that hides the length of a text is not counted as text', () => {
  const chunk = (content: string, obfuscation: string): Named => [
    null,
    { choices: [{ index: 0, delta: { content } }], obfuscation },
  ];
  const padded = facts([
    chunk('a', 'xyz'),
    chunk('bc', ''),
    chunk('def', 'uvwxyz'),
    chunk('g', '0123456789'),
  ]);
  assert.equal(padded.contentBytes, 'abcdefg'.length);
  const response = ['Hi', ' you', ' there', ' all'].map((delta, at) =>
    typed('response.output_text.delta', { item_id: 'i', delta, obfuscation: 'x'.repeat(20 - at * 5) }),
  );
  assert.equal(facts(response).contentBytes, 'Hi you there all'.length);
});

test('content that is known to be content is not parsed', (t) => {
  const parse = t.mock.method(JSON, 'parse');
  facts(
    Array.from({ length: 1000 }, (_, at) => [
      null,
      { choices: [{ index: 0, delta: { content: `${at} ` } }] },
    ]),
  );
  assert.ok(parse.mock.callCount() <= 3, `${parse.mock.callCount()} of 1000`);
});
