import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { post, startGateway } from '../helpers/gateway.js';
import { done, type Script, sse, startUpstream, usageChunk } from '../helpers/upstream.js';

const CHAT = '/v1/chat/completions';
const LEGACY = '/v1/completions';
const messages = [{ role: 'user', content: 'Hi' }];

/** One event with one choice, as both APIs know it. */
function choice(index: number | undefined, text: string, finish: string | null = null): string {
  const choices = [{ index, delta: { content: text }, text, finish_reason: finish }];
  return `data: ${JSON.stringify({ id: 'c', model: 'm', choices })}\n\n`;
}

const first = [
  choice(0, 'one'),
  choice(1, 'uno'),
  choice(0, ' two'),
  choice(1, ' due'),
  choice(0, '', 'stop'),
];
const both = [...first, choice(1, ' tre'), choice(1, '', 'length')];

async function asked(t: TestContext, path: string, fields: object, script: Script) {
  const upstream = await startUpstream(t, script);
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  const response = await post(gateway.url + path, { model: 'main/m', stream: true, ...fields });
  const text = await response.text();
  const [row] = await gateway.exchanges(1);
  return { status: response.status, text, ending: [row?.outcome, row?.end_reason] };
}

const complete = ['ok', 'complete'];
const truncated = ['truncated', 'upstream_incomplete'];

for (const [path, fields] of [
  [CHAT, { messages, n: 2 }],
  [LEGACY, { prompt: 'Hi', n: 2 }],
  [LEGACY, { prompt: ['Hi', 'Ho'] }],
  [
    LEGACY,
    {
      prompt: [
        [1, 2],
        [3, 4],
      ],
    },
  ],
] as const) {
  const what = `${path} with ${JSON.stringify(fields)}`;

  test(`${what}: a stream that ends when one of its two choices has is truncated`, async (t) => {
    const { text, ending } = await asked(t, path, fields, sse(first));
    assert.deepEqual(ending, truncated);
    assert.ok(text.startsWith(first.join('')), 'what came is the client’s');
    const last = text.slice(first.join('').length);
    assert.equal(JSON.parse(last.replace(/^data: /, '')).error.code, 'upstream_error');
  });

  test(`${what}: a stream that ends when both have is complete`, async (t) => {
    const { text, ending } = await asked(t, path, fields, sse(both));
    assert.deepEqual([text, ending], [both.join(''), complete]);
  });

  test(`${what}: what ends with the terminator is complete, however many choices came`, async (t) => {
    const { text, ending } = await asked(t, path, fields, sse([...first, done]));
    assert.deepEqual([text, ending], [[...first, done].join(''), complete]);
  });
}

test('a choice that says twice how it ended does not stand in for another', async (t) => {
  const again = choice(0, '', 'stop');
  const { ending } = await asked(t, CHAT, { messages, n: 2 }, sse([...first, again, again, usageChunk]));
  assert.deepEqual(ending, truncated);
});

test('three choices that end in one event are three', async (t) => {
  const choices = [0, 1, 2].map((index) => ({ index, delta: { content: 'x' }, finish_reason: 'stop' }));
  const event = `data: ${JSON.stringify({ id: 'c', choices })}\n\n`;
  assert.deepEqual((await asked(t, CHAT, { messages, n: 3 }, sse([event]))).ending, complete);
  assert.deepEqual((await asked(t, CHAT, { messages, n: 4 }, sse([event]))).ending, truncated);
});

for (const fields of [{ messages }, { messages, n: 1 }, { messages, n: null }, { messages, n: 'two' }]) {
  test(`a single choice with its end is all that ${JSON.stringify(fields)} asks for`, async (t) => {
    const events = [choice(0, 'one'), choice(0, ' two'), choice(undefined, '', 'stop')];
    assert.deepEqual((await asked(t, CHAT, fields, sse(events))).ending, complete);
  });
}

test('one list of tokens is one prompt, and several prompts have each as many choices as were asked for', async (t) => {
  const end = (index: number) => choice(index, 'x', 'stop');
  const all = [0, 1, 2, 3].map(end);
  const two = { prompt: ['Hi', 'Ho'], n: 2 };
  assert.deepEqual((await asked(t, LEGACY, { prompt: [1, 2, 3] }, sse([end(0)]))).ending, complete);
  assert.deepEqual((await asked(t, LEGACY, two, sse(all))).ending, complete);
  assert.deepEqual((await asked(t, LEGACY, two, sse(all.slice(0, 3)))).ending, truncated);
});
