import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createTap } from '../../src/stream/tap.js';
import { createEcho, type Echoed, type EchoOptions } from '../../src/upstream/echo.js';

const QUIET: EchoOptions = { latency: 0, wordDelay: 0, fail: null, failAfter: null, retryAfter: null };
const never = new AbortController().signal;

function post(
  path: string,
  body: unknown,
  options: Partial<EchoOptions> = {},
  signal: AbortSignal = never,
): Promise<Echoed> {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return createEcho({ ...QUIET, ...options })({ method: 'POST', path, headers: {}, body: bytes, signal });
}

function chat(content: unknown, rest: object = {}): object {
  return {
    model: 'echo',
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content },
    ],
    ...rest,
  };
}

async function json(response: Echoed) {
  return JSON.parse(await text(response.body));
}

async function events(response: Echoed): Promise<string[]> {
  return (await text(response.body))
    .split('\n\n')
    .flatMap((block) => (block ? [block.slice('data: '.length)] : []));
}

/** What arrived before the body ended or broke, and how it broke. */
async function drain(body: Readable): Promise<{ received: string; error: unknown }> {
  let received = '';
  try {
    for await (const chunk of body) received += chunk;
  } catch (error) {
    return { received, error };
  }
  return { received, error: null };
}

test('a chat completion repeats the last user message and counts words', async () => {
  const response = await post('/chat/completions', chat('one  two\nthree'));
  assert.equal(response.status, 200);
  assert.equal(response.headers['content-type'], 'application/json');
  const body = await json(response);
  assert.equal(body.object, 'chat.completion');
  assert.equal(body.choices[0].message.content, 'one  two\nthree');
  assert.equal(body.choices[0].finish_reason, 'stop');
  assert.deepEqual(body.usage, { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 });
});

test('content parts are joined, and without a user message there is a greeting', async () => {
  const parts = [
    { type: 'text', text: 'see ' },
    { type: 'image_url', image_url: {} },
    { type: 'text', text: 'this' },
  ];
  assert.equal(
    (await json(await post('/chat/completions', chat(parts)))).choices[0].message.content,
    'see this',
  );
  const greeting = await json(await post('/chat/completions', { messages: [] }));
  assert.equal(greeting.choices[0].message.content, 'Hello from echo.');
});

test('the same bytes get the same id, other bytes another', async () => {
  const id = async (content: string): Promise<string> =>
    (await json(await post('/chat/completions', chat(content)))).id;
  assert.match(await id('a'), /^chatcmpl-echo-[0-9a-f]+$/);
  assert.equal(await id('a'), await id('a'));
  assert.notEqual(await id('a'), await id('b'));
});

test('a token limit cuts the answer and says so', async () => {
  for (const limit of [{ max_tokens: 2 }, { max_completion_tokens: 2, max_tokens: 9 }]) {
    const body = await json(await post('/chat/completions', chat('a b c', limit)));
    assert.equal(body.choices[0].message.content.trim(), 'a b');
    assert.equal(body.choices[0].finish_reason, 'length');
    assert.equal(body.usage.completion_tokens, 2);
  }
});

test('a stream is role, words, finish reason, [DONE]', async () => {
  const response = await post('/chat/completions', chat(' one two ', { stream: true }));
  assert.equal(response.headers['content-type'], 'text/event-stream; charset=utf-8');
  const all = await events(response);
  assert.equal(all.pop(), '[DONE]');
  const chunks = all.map((event) => JSON.parse(event));
  assert.deepEqual(
    chunks.map((chunk) => chunk.choices[0].delta),
    [{ role: 'assistant', content: '' }, { content: ' one ' }, { content: 'two ' }, {}],
  );
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  assert.ok(chunks.every((chunk) => chunk.object === 'chat.completion.chunk' && !('usage' in chunk)));
});

test('a stream carries usage only for those who ask', async () => {
  const asked = chat('one two', { stream: true, stream_options: { include_usage: true } });
  const tap = createTap({ stripUsage: false });
  tap.write(Buffer.from(await text((await post('/chat/completions', asked)).body)));
  assert.equal(tap.facts.terminated, true);
  assert.equal(tap.facts.finishReason, 'stop');
  assert.deepEqual([tap.facts.usage?.inputUncached, tap.facts.usage?.outputText], [4, 2]);
});

test('embeddings are deterministic unit vectors of the wanted size', async () => {
  const body = await json(await post('/embeddings', { model: 'e', input: ['a b', 'c'] }));
  assert.deepEqual(
    body.data.map((item: { index: number }) => item.index),
    [0, 1],
  );
  assert.equal(body.data[0].embedding.length, 16);
  assert.notDeepEqual(body.data[0].embedding, body.data[1].embedding);
  assert.ok(Math.abs(Math.hypot(...body.data[0].embedding) - 1) < 1e-6);
  assert.deepEqual(body.usage, { prompt_tokens: 3, total_tokens: 3 });
  const alone = await json(await post('/embeddings', { input: 'c', dimensions: 16 }));
  assert.deepEqual(alone.data[0].embedding, body.data[1].embedding);
  const wide = await json(await post('/embeddings', { input: [1, 2, 3], dimensions: 1536 }));
  assert.deepEqual([wide.data.length, wide.data[0].embedding.length, wide.usage.prompt_tokens], [1, 1536, 3]);
});

test('base64 embeddings are the same numbers as little-endian float32', async () => {
  const plain = await json(await post('/embeddings', { input: 'x' }));
  const packed = await json(await post('/embeddings', { input: 'x', encoding_format: 'base64' }));
  const bytes = Buffer.from(packed.data[0].embedding, 'base64');
  const numbers = Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4));
  assert.deepEqual(numbers, plain.data[0].embedding);
});

test('what is wrong with a request is answered in the shape of OpenAI', async () => {
  const cases: [string, unknown, number][] = [
    ['/nothing', {}, 404],
    ['/chat/completions', '{', 400],
    ['/chat/completions', '[]', 400],
    ['/embeddings', { input: [] }, 400],
    ['/embeddings', { input: 'x', dimensions: 0 }, 400],
  ];
  for (const [path, body, status] of cases) {
    const response = await post(path, body);
    assert.equal(response.status, status, path);
    const { error } = await json(response);
    assert.equal(typeof error.message, 'string');
    assert.deepEqual(Object.keys(error), ['message', 'type', 'param', 'code']);
  }
});

test('a failing status comes with retry-after if one is set', async () => {
  const response = await post('/chat/completions', chat('a'), { fail: 429, retryAfter: 7 });
  assert.equal(response.status, 429);
  assert.equal(response.headers['retry-after'], '7');
  assert.equal((await json(response)).error.code, 'rate_limit_exceeded');
  assert.equal((await post('/chat/completions', chat('a'), { fail: 500 })).headers['retry-after'], undefined);
});

test('refuse and reset reject with the codes of a socket', async () => {
  await assert.rejects(post('/chat/completions', chat('a'), { fail: 'refuse' }), { code: 'ECONNREFUSED' });
  await assert.rejects(post('/chat/completions', chat('a'), { fail: 'reset' }), { code: 'ECONNRESET' });
});

test('reset after some words delivers these, then breaks the body', async () => {
  for (const failAfter of [0, 2]) {
    const options = { fail: 'reset', failAfter } as const;
    const response = await post('/chat/completions', chat('a b c', { stream: true }), options);
    const { received, error } = await drain(response.body);
    assert.ok(error instanceof Error && 'code' in error && error.code === 'ECONNRESET');
    // The role chunk comes first.
    assert.equal(received.match(/data: /g)?.length, failAfter + 1);
  }
});

test('reset breaks an answer that is not streamed in the middle', async () => {
  const response = await post('/chat/completions', chat('a b c'), { fail: 'reset', failAfter: 1 });
  const { received, error } = await drain(response.body);
  assert.ok(error instanceof Error);
  assert.ok(received.length > 0 && received.length < Number(response.headers['content-length']));
});

test('an abort ends the wait for an answer at once, with the reason of the signal', async () => {
  const reason = new Error('client gone');
  await assert.rejects(
    post('/embeddings', { input: 'x' }, {}, AbortSignal.abort(reason)),
    (error) => error === reason,
  );
  const controller = new AbortController();
  const pending = post('/embeddings', { input: 'x' }, { latency: 60_000 }, controller.signal);
  controller.abort(reason);
  await assert.rejects(pending, (error) => error === reason);
});

test('an abort breaks a body between two words', async () => {
  const reason = new Error('client gone');
  const controller = new AbortController();
  const slow = chat('a b c', { stream: true });
  const response = await post('/chat/completions', slow, { wordDelay: 60_000 }, controller.signal);
  response.body.once('data', () => controller.abort(reason));
  const error = await new Promise((resolve) => response.body.once('error', resolve));
  assert.equal(error, reason);
});

test('a destroyed body leaves no timer behind', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const response = await post('/chat/completions', chat('a b', { stream: true }), { wordDelay: 60_000 });
  await new Promise((resolve) => response.body.once('data', resolve));
  response.body.destroy();
  await new Promise((resolve) => response.body.once('close', resolve));
  assert.equal(timers(), before);
});

test('a reader that does not read stops the stream', async () => {
  const response = await post('/chat/completions', chat('word '.repeat(1000), { stream: true }));
  const first = new Promise((resolve) => response.body.once('readable', resolve));
  await first;
  assert.ok(response.body.readableLength < 1000, `${response.body.readableLength} bytes buffered`);
  response.body.destroy();
});
