import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chatEvents,
  chunk,
  completion,
  done,
  failing,
  json,
  refusingUrl,
  roleChunk,
  type Script,
  sse,
} from '../helpers/upstream.js';
import { answeredBySecond, errorOf, type Models, second, setUp, told } from './route-fixture.js';

const goesOn: [what: string, script: Script, first: string, skippedAs: string | null][] = [
  ['401', failing(401, 'Bad key'), 'http_401 401', 'quarantined'],
  ['403', failing(403, 'Not yours'), 'http_403 403', 'quarantined'],
  ['402', failing(402, 'Pay'), 'http_402 402', 'payment_required'],
  ['404', failing(404, 'No such model'), 'http_404 404', 'model_missing'],
  ['408', failing(408, 'Late'), 'http_408 408', null],
  ['409', failing(409, 'Busy'), 'http_409 409', null],
  ['500', failing(500, 'Broken'), 'http_500 500', null],
  ['529', failing(529, 'Overloaded'), 'http_529 529', null],
  [
    'a 502 with an HTML page',
    (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<html>Bad gateway</html>'),
    'http_502 502',
    null,
  ],
  [
    'a reset before the headers',
    (_, __, request) => request.socket.resetAndDestroy(),
    'upstream_reset -',
    null,
  ],
  [
    'a reset in the middle of a JSON answer',
    (response, _, request) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"id":', () => request.socket.resetAndDestroy());
    },
    'upstream_reset 200',
    null,
  ],
  [
    'a 200 with an error that names its status',
    json({ error: { message: 'x', code: 429 } }),
    'http_429 200',
    'rate_limited',
  ],
  ['a 200 with an error', json({ error: { message: 'x', code: 'oops' } }), 'http_502 200', null],
  ['a 200 with an error of text', json({ error: 'no' }), 'http_502 200', null],
  [
    'a 200 with an HTML page',
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>'),
    'upstream_invalid 200',
    null,
  ],
  [
    'a 200 with half a JSON',
    (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"id"'),
    'upstream_invalid 200',
    null,
  ],
  ['a 200 with nothing', (response) => response.writeHead(200).end(), 'upstream_invalid 200', null],
  ['a 200 with a list', json([1, 2]), 'upstream_invalid 200', null],
];

for (const [what, script, first, skippedAs] of goesOn) {
  test(`${what}: the second target answers`, async (t) => {
    const { gateway, ask, calls } = await setUp(t, [script, second]);
    const response = await ask();
    await answeredBySecond(response);
    assert.equal(response.headers.get('x-gateway-attempts'), '2');
    await answeredBySecond(await ask());
    assert.deepEqual(calls(), [skippedAs === null ? 2 : 1, 2]);
    const rows = await gateway.exchanges(2);
    assert.deepEqual(told(gateway.attempts()), [
      `1 p1 sent ${first}`,
      '2 p2 sent answered 200',
      skippedAs === null ? `1 p1 sent ${first}` : `1 p1 skipped ${skippedAs} -`,
      '2 p2 sent answered 200',
    ]);
    for (const row of rows) {
      assert.deepEqual([row.outcome, row.status, row.provider, row.upstream_status], ['ok', 200, 'p2', 200]);
      assert.deepEqual([row.error_code, row.error_message], [null, null], 'the answer was no error');
    }
  });
}

test('a refused connection: the second target answers', async (t) => {
  const { gateway, ask } = await setUp(t, [await refusingUrl(), second]);
  await answeredBySecond(await ask());
  await gateway.exchanges(1);
  assert.deepEqual(told(gateway.attempts()), ['1 p1 sent upstream_unreachable -', '2 p2 sent answered 200']);
});

for (const [what, silent] of [
  ['no headers', () => {}],
  [
    'headers and no body',
    (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
  ],
  [
    'a role chunk and no content',
    (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).write(roleChunk),
  ],
] satisfies [string, Script][]) {
  test(`${what} within the first-byte timeout: the second target answers`, async (t) => {
    const { gateway, stream } = await setUp(t, [silent, sse()], { timeouts: { firstByte: '50ms' } });
    const response = await stream();
    assert.ok((await response.text()).endsWith(done));
    assert.equal(response.headers.get('x-gateway-provider'), 'p2');
    await gateway.exchanges(1);
    const [first, next] = gateway.attempts();
    assert.deepEqual([first?.reason, next?.reason], ['first_byte_timeout', 'answered']);
    assert.ok(Number(first?.total_us) >= 49_000);
    assert.ok(Number(next?.started_us) >= 49_000, 'the waterfall is in the record');
  });
}

const brokenStreams: [what: string, events: string[], first: string][] = [
  [
    'an error event before content',
    [roleChunk, 'data: {"error":{"message":"overloaded","code":503}}\n\n'],
    'http_503 200',
  ],
  ['an error event without a status', ['event: error\ndata: {"message":"overloaded"}\n\n'], 'http_502 200'],
  ['an empty stream', [], 'upstream_incomplete 200'],
  ['nothing but comments', [': ping\n\n', ': ping\n\n'], 'upstream_incomplete 200'],
  ['nothing but a role', [roleChunk], 'upstream_incomplete 200'],
];

for (const [what, events, first] of brokenStreams) {
  test(`${what}: the second target streams, and nothing of the first is seen`, async (t) => {
    const { gateway, stream } = await setUp(t, [sse(events), sse()]);
    const response = await stream();
    const text = await response.text();
    assert.equal(response.headers.get('x-gateway-attempts'), '2');
    assert.equal(text.split('"role":"assistant"').length, 2, 'one role chunk: that of the second');
    assert.ok(text.endsWith(done) && !text.includes('overloaded') && !text.includes('ping'));
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.outcome, row?.output_text_tokens], ['ok', 2]);
    assert.deepEqual(told(gateway.attempts()), [`1 p1 sent ${first}`, '2 p2 sent answered 200']);
  });
}

test('after the first content nobody else is asked', async (t) => {
  const events = [roleChunk, chunk({ content: 'Hel' }), 'data: {"error":{"message":"overloaded"}}\n\n'];
  const { gateway, stream, calls } = await setUp(t, [sse(events), sse()]);
  const text = await (await stream()).text();
  assert.equal(text, events.join(''));
  assert.deepEqual(calls(), [1, 0]);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.end_reason, row?.provider], ['truncated', 'upstream_error', 'p1']);
});

for (const status of [400, 413, 422, 418]) {
  test(`${status} is the final answer, as it is`, async (t) => {
    const body = {
      error: { message: 'Not like this', type: 'invalid_request_error', param: 'n', code: 'c' },
      x: 1.5,
    };
    const { gateway, ask, calls } = await setUp(t, [json(body, status, { 'openai-version': 'v' }), second]);
    const response = await ask();
    assert.equal(response.status, status);
    assert.equal(await response.text(), JSON.stringify(body));
    assert.equal(response.headers.get('openai-version'), 'v');
    assert.equal(response.headers.get('x-gateway-provider'), 'p1');
    assert.equal(response.headers.get('x-gateway-attempts'), '1');
    assert.deepEqual(calls(), [1, 0]);
    await ask();
    assert.deepEqual(calls(), [2, 0], "the client's mistake is not the target's");
    const [row] = await gateway.exchanges(2);
    assert.deepEqual(
      [row?.outcome, row?.end_reason, row?.error_code, row?.error_message, row?.upstream_status],
      ['failed', 'upstream_error', 'c', 'Not like this', status],
    );
  });
}

const tooLong = json(
  {
    error: {
      message: 'Too long',
      type: 'invalid_request_error',
      param: 'messages',
      code: 'context_length_exceeded',
    },
  },
  400,
);

test('a context that is too long goes to a target with a larger one, and to no other', async (t) => {
  const models: Models[] = [
    { m: { context: 8_000 } },
    { m: { context: 8_000 } },
    { m: {} },
    { m: { context: 32_000 } },
  ];
  const answer = json({ ...completion, id: 'from-the-large' });
  const { gateway, ask, calls } = await setUp(t, [tooLong, second, second, answer], { models });
  const response = await ask();
  assert.equal(((await response.json()) as { id: string }).id, 'from-the-large');
  assert.deepEqual(calls(), [1, 0, 0, 1]);
  await gateway.exchanges(1);
  assert.deepEqual(told(gateway.attempts()), [
    '1 p1 sent http_400 400',
    '2 p2 skipped context_too_small -',
    '3 p3 skipped context_too_small -',
    '4 p4 sent answered 200',
  ]);
});

test('a context that is too long for every target is passed through', async (t) => {
  const models: Models[] = [{ m: { context: 8_000 } }, { m: { context: 4_000 } }];
  const { ask, calls } = await setUp(t, [tooLong, second], { models });
  const response = await ask();
  assert.equal(response.status, 400);
  assert.equal((await errorOf(response)).code, 'context_length_exceeded');
  assert.deepEqual(calls(), [1, 0]);
});

test('stream options that an upstream refuses are left out, then and from then on', async (t) => {
  const strict: Script = (response, seen, request) => {
    const refused = seen.body.includes('stream_options');
    const script = refused
      ? failing(400, 'Unknown field: stream_options')
      : sse(chatEvents.slice(0, -2).concat(done));
    return script(response, seen, request);
  };
  const { gateway, stream, upstreams } = await setUp(t, [strict]);
  for (let call = 0; call < 2; call++) {
    const response = await stream();
    assert.equal(response.status, 200);
    assert.ok((await response.text()).endsWith(done));
  }
  const asked = upstreams[0]?.seen.map((seen) => seen.body.includes('stream_options'));
  assert.deepEqual(asked, [true, false, false]);
  const rows = await gateway.exchanges(2);
  assert.deepEqual(
    rows.map((row) => [row.outcome, row.attempts, row.usage_source]),
    [
      ['ok', 2, 'estimated'],
      ['ok', 1, 'estimated'],
    ],
  );
});

test('stream options that the client chose are its own to be refused', async (t) => {
  const { ask, calls } = await setUp(t, [failing(400, 'Unknown field: stream_options'), sse()]);
  const response = await ask({ stream: true, stream_options: { include_usage: true } });
  assert.equal(response.status, 400);
  assert.deepEqual(calls(), [1, 0]);
});
