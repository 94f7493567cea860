import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { MODEL, startClients } from '../helpers/aimock.js';
import { refusingUrl } from '../helpers/upstream.js';

const hello = { model: MODEL, messages: [{ role: 'user', content: 'hello' }] } satisfies {
  model: string;
  messages: OpenAI.ChatCompletionMessageParam[];
};

async function rejection(promise: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof OpenAI.APIError) return error;
    throw error;
  }
  throw new Error('The call was expected to fail.');
}

const { BadRequestError, InternalServerError, RateLimitError, UnprocessableEntityError } = OpenAI;
const passedThrough = [
  [
    400,
    BadRequestError,
    { message: 'Bad temperature', type: 'invalid_request_error', code: 'bad_value' },
    'upstream_error',
  ],
  [
    422,
    UnprocessableEntityError,
    { message: 'Cannot', type: 'invalid_request_error', code: 'no' },
    'upstream_error',
  ],
  [
    429,
    RateLimitError,
    { message: 'Slow down', type: 'requests', code: 'rate_limit_exceeded' },
    'rate_limited',
  ],
  [500, InternalServerError, { message: 'It broke', type: 'server_error', code: 'oops' }, 'upstream_error'],
  [
    503,
    InternalServerError,
    { message: 'Overloaded 過負荷', type: 'server_error', code: 'busy' },
    'upstream_error',
  ],
] as const;

for (const [status, errorClass, body, endReason] of passedThrough) {
  for (const stream of [false, true]) {
    const how = stream ? 'a stream' : 'a JSON answer';
    test(`${status} instead of ${how} is the same ${errorClass.name} as without the gateway`, async (t) => {
      const { mock, gateway, through, direct } = await startClients(t);
      mock.onMessage('hello', { error: body, status });
      const error = await rejection(through.chat.completions.create({ ...hello, stream }));
      assert.ok(error instanceof errorClass);
      const plain = await rejection(direct.chat.completions.create({ ...hello, stream }));
      assert.deepEqual(
        [error.status, error.message, error.code, error.type, error.param, error.error],
        [plain.status, plain.message, plain.code, plain.type, plain.param, plain.error],
      );
      assert.equal(error.code, body.code);
      const [row] = await gateway.exchanges(1);
      assert.deepEqual(
        [row?.status, row?.upstream_status, row?.outcome, row?.end_reason, row?.error_code],
        [status, status, 'failed', endReason, body.code],
      );
      assert.equal(row?.error_message, body.message);
      assert.deepEqual([row?.usage_source, row?.input_uncached_tokens], ['none', null]);
      assert.equal(error.requestID, row?.id);
    });
  }
}

for (const [status, errorClass] of [
  [401, OpenAI.AuthenticationError],
  [403, OpenAI.PermissionDeniedError],
] as const) {
  test(`an upstream's ${status} is ${errorClass.name}, without what the upstream said`, async (t) => {
    const { mock, gateway, through } = await startClients(t);
    const message = 'Account acme-42 has no access';
    mock.onMessage('hello', { error: { message, type: 'auth', code: 'nope' }, status });
    const error = await rejection(through.chat.completions.create(hello));
    assert.ok(error instanceof errorClass);
    assert.deepEqual([error.status, error.code], [status, 'upstream_authentication_failed']);
    assert.match(error.message, /"main"/);
    assert.ok(!JSON.stringify(error.error).includes('acme'));
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.outcome, row?.error_message], ['failed', message]);
  });
}

test("an invalid body is the gateway's own BadRequestError, naming the field", async (t) => {
  const { mock, gateway, through } = await startClients(t);
  const error = await rejection(through.chat.completions.create({ ...hello, messages: [] }));
  assert.ok(error instanceof BadRequestError);
  assert.deepEqual([error.code, error.param], ['invalid_request_error', 'messages']);
  assert.equal(mock.getRequests().length, 0);
  assert.equal((await gateway.exchanges(1))[0]?.outcome, 'rejected');
});

test('the client waits as long as the gateway says and is then answered', async (t) => {
  const { mock, gateway, through } = await startClients(t);
  mock.onMessage(
    'hello',
    { error: { message: 'Slow down', type: 'requests' }, status: 429, retryAfter: 1 },
    {},
  );
  mock.onMessage('hello', { content: 'Here you are' });
  const [limited] = mock.getFixtures();
  assert.ok(limited !== undefined);
  limited.match.sequenceIndex = 0;
  const startedAt = performance.now();
  const answer = await through.chat.completions.create(hello, { maxRetries: 1 });
  const waited = performance.now() - startedAt;
  assert.equal(answer.choices[0]?.message.content, 'Here you are');
  // Its own first pause is half a second at most.
  assert.ok(waited >= 990, `retry-after: 1 took ${waited} ms`);
  const rows = await gateway.exchanges(2);
  assert.deepEqual(
    rows.map((row) => [row.status, row.outcome]),
    [
      [429, 'failed'],
      [200, 'ok'],
    ],
  );
});

test('the client retries a 500, and each try is an exchange of its own', async (t) => {
  const { mock, gateway, through } = await startClients(t);
  mock.nextRequestError(500, { message: 'It broke', type: 'server_error' });
  mock.onMessage('hello', { content: 'Better' });
  const answer = await through.chat.completions.create(hello, { maxRetries: 2 });
  assert.equal(answer.choices[0]?.message.content, 'Better');
  const rows = await gateway.exchanges(2);
  assert.deepEqual(
    rows.map((row) => row.outcome),
    ['failed', 'ok'],
  );
});

test('a stream that breaks off after content is not retried by the client', async (t) => {
  const { mock, gateway, through } = await startClients(t);
  mock.onMessage(
    'hello',
    { content: 'word '.repeat(10) },
    { chunkSize: 5, truncateAfterChunks: 4, latency: 10 },
  );
  const stream = await through.chat.completions.create({ ...hello, stream: true }, { maxRetries: 2 });
  await assert.rejects(async () => {
    for await (const _ of stream);
  }, OpenAI.APIError);
  assert.equal((await gateway.exchanges(1))[0]?.outcome, 'truncated');
  assert.equal(mock.getRequests().length, 1);
});

test('an unreachable upstream is the InternalServerError 502', async (t) => {
  const baseUrl = await refusingUrl();
  const { gateway, through } = await startClients(t, {
    providers: { main: { type: 'openai-compatible', baseUrl, models: { [MODEL]: {} } } },
  });
  const error = await rejection(through.chat.completions.create(hello));
  assert.ok(error instanceof InternalServerError);
  assert.deepEqual([error.status, error.code], [502, 'upstream_error']);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason], ['failed', 'upstream_unreachable']);
});
