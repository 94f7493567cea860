import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest, textTokens } from '../../src/routing/digest.js';
import { requestFacts } from '../../src/routing/facts.js';
import { facts } from './routing-fixture.js';

test('four bytes of ASCII are a token; other scripts count by their bytes', () => {
  assert.equal(textTokens('four'.repeat(100)), 100);
  assert.equal(Math.round(textTokens('茶'.repeat(100))), 105);
  assert.equal(Math.round(textTokens('ж'.repeat(100))), 65);
  assert.equal(textTokens(''), 0);
});

test('everything a model reads counts, and nothing else', () => {
  const empty = digest({ messages: [] }).inputTokens;
  const text = 'four'.repeat(100);
  const count = (body: Record<string, unknown>) => digest({ messages: [], ...body }).inputTokens - empty;
  assert.ok(count({ tools: [{ function: { description: text } }] }) >= 100);
  assert.ok(count({ response_format: { schema: text } }) >= 100);
  assert.equal(count({ prompt: text }), 100);
  assert.equal(count({ input: text, messages: undefined }), 100);
  assert.equal(count({ input: Array(50).fill(7), messages: undefined }), 50);
  assert.equal(count({ user: text, metadata: { text }, model: text }), 0);
});

test('the choices are n to each prompt, of a number that can be kept track of', () => {
  const choices = (body: Record<string, unknown>) => facts('Hi', { body }).answers;
  assert.equal(choices({}), 1);
  assert.equal(choices({ n: 3, prompt: 'Hi' }), 3);
  assert.equal(choices({ n: 3, prompt: ['Hi', 'Ho'] }), 6);
  assert.equal(choices({ prompt: [[1], [2], [3]] }), 3);
  assert.equal(choices({ prompt: [1, 2, 3] }), 1);
  assert.equal(choices({ prompt: [] }), 1);
  for (const n of [0, -1, 'two', null]) assert.equal(choices({ n }), 1);
  assert.equal(choices({ n: 1e300 }), 4096);
  const billed = { n: 2, best_of: 5, prompt: ['Hi', 'Ho'] };
  assert.deepEqual([choices(billed), facts('Hi', { body: billed }).choices], [4, 10]);
});

test('a picture costs as much as a picture, however many bytes carry it', () => {
  const url = `data:image/png;base64,${'A'.repeat(400_000)}`;
  const parts = [
    [{ type: 'image_url', image_url: { url } }],
    [{ type: 'input_image', image_url: url }],
    [{ type: 'input_audio', input_audio: { data: 'A'.repeat(400_000) } }],
    [{ type: 'unheard-of', data: url }],
  ];
  for (const content of parts) {
    const { media, inputTokens } = digest({ messages: [{ role: 'user', content }] });
    assert.equal(media, 1);
    assert.ok(inputTokens >= 1000 && inputTokens < 1100, `${inputTokens}`);
  }
});

test('the last user message is found in every API’s shape', () => {
  const say = (role: string, content: unknown) => ({ role, content });
  const bodies = [
    { messages: [say('user', 'old'), say('user', 'last'), say('assistant', 'no'), say('tool', 'no')] },
    {
      messages: [
        say('user', [
          { type: 'text', text: 'la' },
          { type: 'text', text: 'st' },
        ]),
      ],
    },
    { input: 'last' },
    { input: [say('user', [{ type: 'input_text', text: 'last' }])] },
    { prompt: 'last' },
    { prompt: ['la', 'st'] },
  ];
  for (const body of bodies)
    assert.equal(digest(body).lastUserText.replace('\n', ''), 'last', JSON.stringify(body));
  for (const body of [{}, { messages: [null, 3, say('user', null)] }, { input: [1, 2] }]) {
    assert.equal(digest(body).lastUserText, '', JSON.stringify(body));
  }
});

test('the bound of the answer is read under each of its names', () => {
  const most = (body: Record<string, unknown>) => facts('', { body }).maxOutputTokens;
  assert.equal(most({ max_tokens: 5 }), 5);
  assert.equal(most({ max_tokens: 5, max_completion_tokens: 6 }), 6);
  assert.equal(most({ max_output_tokens: 7 }), 7);
  assert.equal(most({ max_completion_tokens: null, max_tokens: 8 }), 8);
  for (const value of [0, -1, '9', null, Number.NaN, Number.POSITIVE_INFINITY])
    assert.equal(most({ max_tokens: value }), null);
});

test('a body as deep as parsers allow does no harm', () => {
  const deep: unknown = JSON.parse(`${'['.repeat(100_000)}"text"${']'.repeat(100_000)}`);
  assert.ok(digest({ messages: [{ role: 'user', content: deep }] }).inputTokens < 100);
});

test('a body is read once, and only when somebody asks', () => {
  let reads = 0;
  const body = {
    get messages() {
      reads++;
      return [{ role: 'user', content: 'Hello' }];
    },
  };
  const lazy = requestFacts({
    endpoint: 'chat',
    body,
    bodyBytes: 0,
    caller: null,
    session: null,
    policy: null,
  });
  assert.deepEqual([lazy.streaming, lazy.maxOutputTokens, reads], [false, null, 0]);
  assert.equal(lazy.lastUserText, 'Hello');
  const once = reads;
  assert.deepEqual([lazy.inputTokens > 0, lazy.complexity.score, lazy.complexity.unsure], [true, 0, false]);
  assert.equal(reads, once);
});
