import assert from 'node:assert/strict';
import { test } from 'node:test';
import type OpenAI from 'openai';
import { collect, fixed, MODEL, startClients } from '../helpers/aimock.js';
import type { Row } from '../helpers/gateway.js';

type Body = Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, 'stream'>;
type Streamed = OpenAI.ChatCompletionCreateParamsStreaming;
type Chunk = OpenAI.ChatCompletionChunk;

const usage = { prompt_tokens: 11, completion_tokens: 4, total_tokens: 15 };
const hello: Body = { model: MODEL, messages: [{ role: 'user', content: 'hello' }] };
const multibyte = 'Grüße 👩‍👩‍👧‍👦 你好，世界 — שלום 🇪🇺 \u0000\u2028 "quoted" \\ end';

const weather: OpenAI.ChatCompletionTool = {
  type: 'function',
  function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
};
const weatherCall = { name: 'get_weather', arguments: '{"city":"東京","unit":"°C"}', id: 'call_fixed' };

/** The part of a ledger row that an answer of the mock decides. */
function recorded(row: Row | undefined) {
  return {
    provider: row?.provider,
    model: row?.model,
    tokens: [row?.input_uncached_tokens, row?.output_text_tokens, row?.usage_source],
    cost: row?.cost_nano,
    status: row?.status,
    outcome: row?.outcome,
    endReason: row?.end_reason,
  };
}

/** 11 tokens at 2.5 USD and 4 at 10 USD per million, in nano-USD. */
const expected = {
  provider: 'main',
  model: MODEL,
  tokens: [11, 4, 'reported'],
  cost: 67_500,
  status: 200,
  outcome: 'ok',
  endReason: 'complete',
};

function text(chunks: Chunk[]): string {
  return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
}

test('the client reads the same chat answer through the gateway as without it', async (t) => {
  const { mock, gateway, through, direct } = await startClients(t);
  mock.onMessage('hello', { content: multibyte, usage, ...fixed });
  const answer = await through.chat.completions.create(hello);
  assert.equal(answer.choices[0]?.message.content, multibyte);
  assert.deepEqual(answer, await direct.chat.completions.create(hello));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(recorded(row), expected);
  assert.deepEqual([row?.streaming, row?.finish_reason, row?.upstream_response_id], [0, 'stop', fixed.id]);
});

test('the id that the client logs for support is the id of the record', async (t) => {
  const { mock, gateway, through } = await startClients(t);
  mock.onMessage('hello', { content: 'Hi', usage });
  const answer = await through.chat.completions.create(hello);
  const [row] = await gateway.exchanges(1);
  assert.equal(answer._request_id, row?.id);
});

test('a stream has the same chunks through the gateway, and no usage that nobody asked for', async (t) => {
  const { mock, gateway, through, direct } = await startClients(t);
  mock.onMessage('hello', { content: multibyte, usage, ...fixed }, { chunkSize: 5 });
  const chunks = await collect(await through.chat.completions.create({ ...hello, stream: true }));
  assert.equal(text(chunks), multibyte);
  assert.ok(chunks.length > 5);
  assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && chunk.usage === undefined));
  assert.deepEqual(chunks, await collect(await direct.chat.completions.create({ ...hello, stream: true })));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(recorded(row), expected);
  assert.equal(row?.streaming, 1);
});

for (const [what, options, wanted] of [
  ['asked for', { include_usage: true }, true],
  ['declined', { include_usage: false }, false],
] as const) {
  test(`a stream's usage that is ${what} is ${wanted ? '' : 'not '}delivered, and recorded`, async (t) => {
    const { mock, gateway, through, direct } = await startClients(t);
    mock.onMessage('hello', { content: 'Hi there', usage, ...fixed });
    const body: Streamed = { ...hello, stream: true, stream_options: options };
    const chunks = await collect(await through.chat.completions.create(body));
    const last = chunks.at(-1);
    assert.deepEqual(last?.usage, wanted ? usage : undefined);
    assert.equal(last?.choices.length, wanted ? 0 : 1);
    assert.deepEqual(chunks, await collect(await direct.chat.completions.create(body)));
    const [row] = await gateway.exchanges(1);
    assert.deepEqual(recorded(row), expected);
  });
}

test("the client's stream helper builds the same completion", async (t) => {
  const { mock, gateway, through, direct } = await startClients(t);
  mock.onMessage('hello', { content: multibyte, usage, ...fixed }, { chunkSize: 7 });
  const body = { ...hello, stream_options: { include_usage: true } };
  const final = await through.chat.completions.stream(body).finalChatCompletion();
  assert.equal(final.choices[0]?.message.content, multibyte);
  assert.deepEqual(final.usage, usage);
  assert.deepEqual(final, await direct.chat.completions.stream(body).finalChatCompletion());
  assert.deepEqual(recorded((await gateway.exchanges(1))[0]), expected);
});

test('a tool call arrives whole in JSON', async (t) => {
  const { mock, gateway, through, direct } = await startClients(t);
  mock.onMessage('hello', { toolCalls: [weatherCall], usage, ...fixed });
  const body: Body = { ...hello, tools: [weather] };
  const answer = await through.chat.completions.create(body);
  const call = answer.choices[0]?.message.tool_calls?.[0];
  assert.deepEqual(call?.type === 'function' && call.function, {
    name: weatherCall.name,
    arguments: weatherCall.arguments,
  });
  assert.deepEqual(answer, await direct.chat.completions.create(body));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(recorded(row), expected);
  assert.equal(row?.finish_reason, 'tool_calls');
});

test('a streamed tool call arrives in the same pieces', async (t) => {
  const { mock, gateway, through, direct } = await startClients(t);
  mock.onMessage('hello', { toolCalls: [weatherCall], usage, ...fixed }, { chunkSize: 4 });
  const body: Streamed = { ...hello, tools: [weather], stream: true };
  const chunks = await collect(await through.chat.completions.create(body));
  const pieces = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
  assert.equal(pieces.map((piece) => piece.function?.arguments ?? '').join(''), weatherCall.arguments);
  assert.deepEqual(chunks, await collect(await direct.chat.completions.create(body)));
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(recorded(row), expected);
  assert.equal(row?.finish_reason, 'tool_calls');
});

test('a tool result is answered like any other turn', async (t) => {
  const { mock, through } = await startClients(t);
  mock.onToolResult('call_fixed', { content: '21 °C in 東京', usage, ...fixed });
  const { name, arguments: args, id } = weatherCall;
  const answer = await through.chat.completions.create({
    ...hello,
    tools: [weather],
    messages: [
      ...hello.messages,
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id, type: 'function', function: { name, arguments: args } }],
      },
      { role: 'tool', tool_call_id: id, content: '{"temperature":21}' },
    ],
  });
  assert.equal(answer.choices[0]?.message.content, '21 °C in 東京');
  const body = mock.getLastRequest()?.body;
  assert.ok(body !== null && body !== undefined && 'messages' in body && Array.isArray(body.messages));
  assert.equal(body.messages[1]?.content, null, 'null stays null on its way up');
});

test('a structured answer is parsed by the client', async (t) => {
  const { mock, gateway, through, direct } = await startClients(t);
  const person = { name: 'Zoë', tags: ['α', '✓'] };
  mock.onJsonOutput('hello', person);
  const json: Body = { ...hello, response_format: { type: 'json_object' } };
  const answer = await through.chat.completions.create(json);
  assert.deepEqual(JSON.parse(answer.choices[0]?.message.content ?? ''), person);

  mock.clearFixtures().onMessage('hello', { content: JSON.stringify(person), usage, ...fixed });
  const schema: Body = {
    ...hello,
    response_format: {
      type: 'json_schema',
      json_schema: {
        name: 'person',
        strict: true,
        schema: {
          type: 'object',
          properties: { name: { type: 'string' }, tags: { type: 'array', items: { type: 'string' } } },
          required: ['name', 'tags'],
          additionalProperties: false,
        },
      },
    },
  };
  const parsed = await through.chat.completions.parse(schema);
  assert.deepEqual(parsed.choices[0]?.message.parsed, person);
  assert.deepEqual(parsed, await direct.chat.completions.parse(schema));
  assert.deepEqual(recorded((await gateway.exchanges(2))[1]), expected);
});

test('a route is a model like any other, and the upstream reads its own model id', async (t) => {
  const { mock, gateway, through } = await startClients(t);
  mock.onMessage('hello', { content: 'Hi', usage });
  const { data, response } = await through.chat.completions
    .create({ ...hello, model: 'fast' })
    .withResponse();
  assert.equal(data.model, MODEL);
  assert.equal(response.headers.get('x-gateway-route'), 'fast');
  const body = mock.getLastRequest()?.body;
  assert.ok(body !== null && body !== undefined && 'model' in body);
  assert.equal(body.model, MODEL);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.requested_model, row?.route, row?.model], ['fast', 'fast', MODEL]);
});

test('an upstream that breaks off in mid-stream is an error for the client, and a truncated record', async (t) => {
  const { mock, gateway, through } = await startClients(t);
  mock.onMessage(
    'hello',
    { content: 'a long answer', usage },
    { chunkSize: 1, truncateAfterChunks: 5, latency: 10 },
  );
  const seen: Chunk[] = [];
  await assert.rejects(async () => {
    for await (const chunk of await through.chat.completions.create({ ...hello, stream: true }))
      seen.push(chunk);
  }, /upstream|closed|other side/i);
  assert.ok('a long answer'.startsWith(text(seen)) && text(seen).length > 0);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome], [200, 'truncated']);
});

test('a client that stops reading ends the exchange as aborted', async (t) => {
  const { mock, gateway, through } = await startClients(t);
  mock.onMessage(
    'hello',
    { content: 'word '.repeat(2_000), usage },
    { chunkSize: 5, streamingProfile: { ttft: 0, tps: 500 } },
  );
  const controller = new AbortController();
  const stream = await through.chat.completions.create(
    { ...hello, stream: true },
    { signal: controller.signal },
  );
  let chunks = 0;
  // The client ends its iteration without an error when it is aborted on purpose.
  for await (const _ of stream) if (++chunks === 3) controller.abort();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [200, 'aborted', 'client_gone']);
  assert.ok(Number(row?.chunks) < 2_000, 'the upstream was not read to its end');
  assert.equal(row?.usage_source, 'estimated');
  assert.ok(Number(row?.output_text_tokens) < 2_000, 'and only what was seen counts');
});
