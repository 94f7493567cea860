import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chatEvents, completion, failing, json, type Script, sse } from '../helpers/upstream.js';
import { closed, counted, held, holdClock, type Member, routeOver, tries } from './routing-setup.js';

const QUOTA = { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '60s' };

/** A chat answer that reports so many tokens. */
function using(total: number) {
  return { ...completion, usage: { prompt_tokens: 10, completion_tokens: total - 10, total_tokens: total } };
}

const toSse =
  (events: readonly string[], headers: Record<string, string>): Script =>
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', ...headers }).end(events.join(''));
  };

test('a burst of 200 leaves a provider with 30 per minute its 30, fails for nobody, and is explained', async (t) => {
  const limited = { script: json(), limits: { requestsPerMinute: 30 } };
  const { ask, calls, gateway, assertIdle } = await routeOver(t, [limited, { script: json() }]);
  const clock = holdClock(t);
  const burst = async (count: number) => {
    const answers = await Promise.all(Array.from({ length: count }, () => ask()));
    assert.deepEqual(
      answers.map(({ status }) => status).filter((status) => status !== 200),
      [],
    );
    await Promise.all(answers.map((answer) => answer.text()));
  };
  await burst(200);
  assert.deepEqual(calls(), [30, 170]);
  clock.forward(59_000);
  await burst(10);
  assert.deepEqual(calls(), [30, 180], 'the window has not passed');
  clock.forward(4_000);
  await burst(40);
  assert.deepEqual(calls(), [60, 190], 'and then it has');
  await assertIdle();
  clock.release();
  const rows = await gateway.exchanges(250);
  assert.ok(rows.every(({ outcome }) => outcome === 'ok'));
  const told = new Map<string, number>();
  for (const what of tries(gateway.attempts())) told.set(what, (told.get(what) ?? 0) + 1);
  assert.deepEqual(Object.fromEntries(told), {
    'p1 sent answered': 60,
    'p1 skipped limit_exhausted': 190,
    'p2 sent answered': 190,
  });
});

test('a limit alone, used up: 429 that says when, and which limit it was', async (t) => {
  const { ask, row, gateway } = await routeOver(t, [{ script: json(), limits: { requestsPerMinute: 1 } }]);
  assert.equal((await ask()).status, 200);
  const refused = await ask();
  assert.equal(refused.status, 429);
  const seconds = Number(refused.headers.get('retry-after'));
  assert.ok(seconds > 55 && seconds <= 63, `retry-after ${seconds}`);
  const { obstacle, limits } = await row('p1', null);
  assert.equal(obstacle?.source, 'limits.requestsPerMinute');
  assert.deepEqual(
    limits.map(({ name, used, remaining }) => [name, used, remaining]),
    [['requests_per_minute', 1, 0]],
  );
  const [, last] = await gateway.exchanges(2);
  assert.deepEqual([last?.outcome, last?.end_reason, last?.attempts], ['rejected', 'rate_limited', 1]);
});

test('never more calls at once than configured, whatever becomes of them', async (t) => {
  const kinds: Script[] = [
    json(),
    failing(500, 'broken'),
    failing(400, 'bad'),
    sse(chatEvents.slice(0, 3)),
    (_response, _seen, request) => request.socket.resetAndDestroy(),
    (response) => setImmediate(() => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>')),
  ];
  let turn = 0;
  const mixed = counted((response, seen, request) => {
    const { stream } = JSON.parse(seen.body.toString());
    const at = turn++ % 8;
    const script = kinds[at] ?? (stream ? sse() : json());
    setTimeout(() => script(response, seen, request), at);
  });
  const member = { script: mixed.script, limits: { concurrency: 3 }, breaker: false as const };
  const queue = { maxWait: '10s', maxSize: 100 };
  const { ask, calls, assertIdle, gateway } = await routeOver(t, [member], { queue });
  const asked = Array.from({ length: 64 }, (_, index) => ask({ stream: index % 2 === 0 }));
  await Promise.all(asked.map(async (answer) => (await answer).text()));
  assert.deepEqual(calls(), [64], 'everybody had a turn');
  assert.equal(mixed.count.most, 3);
  await gateway.exchanges(64);
  await assertIdle();
});

test('a client that leaves gives its slot back, before an answer and in the middle of a stream', async (t) => {
  const calls = held();
  const { ask, raw, assertIdle, gateway } = await routeOver(t, [
    { script: calls.script, limits: { concurrency: 2 } },
  ]);
  const early = raw();
  const unanswered = await calls.next();
  const late = raw({ stream: true });
  const streamed = await calls.next();
  streamed.writeHead(200, { 'content-type': 'text/event-stream' });
  streamed.write(chatEvents.slice(0, 2).join(''));
  await late.response;
  const refused = await ask();
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '1']);
  early.outgoing.destroy();
  late.outgoing.destroy();
  await Promise.all([closed(unanswered), closed(streamed)]);
  await gateway.exchanges(3);
  await assertIdle();
  const again = [ask(), ask()];
  for (const response of [await calls.next(), await calls.next()]) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(completion));
  }
  for (const answer of again) assert.equal((await answer).status, 200);
});

for (const streaming of [false, true]) {
  const kind = streaming ? 'a stream' : 'JSON';
  test(`tokens are reserved by estimate and settled by what ${kind} reports`, async (t) => {
    const calls = held();
    const limited: Member = { script: calls.script, limits: { tokensPerMinute: 1000 } };
    const { ask, row, calls: counts } = await routeOver(t, [limited, { script: streaming ? sse() : json() }]);
    const used = async () => (await row('p1', null)).limits[0]?.used ?? 0;
    const fields = { stream: streaming, ...(streaming && { stream_options: { include_usage: true } }) };
    const answer = async (total: number) => {
      const response = await calls.next();
      if (!streaming) return json(using(total))(response, {} as never, {} as never);
      const events = chatEvents.map((event) =>
        event.replace(/"usage":.*}/, `"usage":${JSON.stringify(using(total).usage)}}`),
      );
      return toSse(events, {})(response, {} as never, {} as never);
    };

    const two = [ask({ ...fields, max_tokens: 400 }), ask({ ...fields, max_tokens: 400 })];
    const responses = [answer(12), answer(15)];
    // The third would need more than what is left of the limit while two are reserved.
    const beside = await ask({ ...fields, max_tokens: 400 });
    assert.equal(beside.headers.get('x-gateway-provider'), 'p2');
    await beside.text();
    await Promise.all(responses);
    for (const one of two) await (await one).text();
    assert.equal(await used(), 27, 'the estimate is replaced by what was used');

    const dear = ask({ ...fields, max_tokens: 400 });
    await answer(980);
    await (await dear).text();
    assert.equal(await used(), 1007, 'also when that is more');
    const next = await ask({ ...fields, max_tokens: 10 });
    assert.equal(next.headers.get('x-gateway-provider'), 'p2');
    assert.deepEqual(counts(), [3, 2]);
  });

  test(`a provider that says with ${kind} that nothing is left gets nothing until its reset`, async (t) => {
    const first: Script = streaming ? toSse(chatEvents, QUOTA) : json(completion, 200, QUOTA);
    const other = streaming ? sse() : json();
    const members: Member[] = [{ script: first, type: 'openai' }, { script: other }];
    const { ask, calls, gateway, row } = await routeOver(t, members);
    const clock = holdClock(t);
    const go = async () => {
      const answer = await ask({ stream: streaming });
      assert.equal(answer.status, 200);
      await answer.text();
    };
    await go();
    await go();
    clock.forward(59_999);
    await go();
    assert.deepEqual(calls(), [1, 2]);
    assert.equal((await row('p1')).obstacle?.source, 'x-ratelimit-remaining-requests');
    clock.forward(1);
    await go();
    assert.deepEqual(calls(), [2, 2]);
    clock.release();
    await gateway.exchanges(4);
    assert.deepEqual(tries(gateway.attempts()), [
      'p1 sent answered',
      'p1 skipped quota_exhausted',
      'p2 sent answered',
      'p1 skipped quota_exhausted',
      'p2 sent answered',
      'p1 sent answered',
    ]);
  });
}

test('nothing is made up about a provider that says nothing, or not until when', async (t) => {
  const headers = { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-limit-tokens': 'many' };
  for (const said of [{}, headers, { ...headers, 'x-ratelimit-reset-requests': 'soon' }]) {
    const member: Member = { script: json(completion, 200, said), type: 'openai' };
    const { ask, calls, row } = await routeOver(t, [member, { script: json() }]);
    for (let turn = 0; turn < 3; turn++) await (await ask()).text();
    assert.deepEqual(calls(), [3, 0]);
    const { obstacle, cooldowns } = await row('p1');
    assert.deepEqual([obstacle, cooldowns], [null, []]);
  }
});

const error = (message: string, more: object = {}) => ({ error: { message, code: 429, ...more } });
const retryInfo = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' };
type Told = [
  type: NonNullable<Member['type']>,
  headers: Record<string, string>,
  body: object,
  ms: number,
  source: string,
];

const cooldowns: Told[] = [
  [
    'openai',
    { ...QUOTA, 'x-ratelimit-reset-requests': '6m0s' },
    error('Slow'),
    360_000,
    'x-ratelimit-reset-requests',
  ],
  ['openai', {}, error('Rate limit reached. Please try again in 1m30.5s.'), 90_500, 'body'],
  ['groq', { 'retry-after': '7' }, error('Please try again in 20s.'), 7_000, 'retry-after'],
  [
    'cerebras',
    { 'x-ratelimit-remaining-tokens-minute': '0', 'x-ratelimit-reset-tokens-minute': '11.3' },
    error('Slow'),
    11_300,
    'x-ratelimit-reset-tokens-minute',
  ],
  ['google', {}, error('Quota', { details: [retryInfo] }), 34_000, 'body'],
  [
    'openrouter',
    {},
    error('Slow', {
      metadata: {
        headers: { 'X-RateLimit-Limit': '20', 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': 'RESET' },
      },
    }),
    25_000,
    'body',
  ],
  ['lm-studio', {}, error('Busy'), 5_000, 'default'],
];

for (const [type, headers, body, ms, source] of cooldowns) {
  test(`429 of ${type} that tells by ${source}: left alone for ${ms} ms, and not a moment longer`, async (t) => {
    const clock = holdClock(t);
    const text = JSON.stringify(body).replace('RESET', String(clock.now() + ms));
    const script: Script = (response) =>
      response.writeHead(429, { 'content-type': 'application/json', ...headers }).end(text);
    const { ask, calls, upstreams, row } = await routeOver(t, [{ script, type }, { script: json() }]);
    assert.equal((await ask()).status, 200);
    const [cooldown] = (await row('p1')).cooldowns;
    const until = new Date(clock.now() + ms).toISOString();
    assert.deepEqual([cooldown?.reason, cooldown?.until, cooldown?.source], ['rate_limited', until, source]);
    upstreams[0]?.script(json());
    clock.forward(ms - 1);
    await ask();
    assert.deepEqual(calls(), [1, 2]);
    clock.forward(1);
    await ask();
    assert.deepEqual(calls(), [2, 2]);
    clock.release();
  });
}

for (const streaming of [false, true]) {
  test(`a late success does not shorten a cooldown (${streaming ? 'stream' : 'JSON'})`, async (t) => {
    const calls = held();
    const { ask, calls: counts, row } = await routeOver(t, [{ script: calls.script }, { script: json() }]);
    const slow = ask({ stream: streaming });
    const first = await calls.next();
    const limited = ask();
    failing(429, 'Slow', { 'retry-after': '60' })(await calls.next(), {} as never, {} as never);
    assert.equal((await limited).headers.get('x-gateway-provider'), 'p2');
    const { until } = (await row('p1')).cooldowns[0] ?? {};
    const script = streaming ? sse() : json(completion, 200, { 'x-ratelimit-remaining-requests': '100' });
    script(first, {} as never, {} as never);
    assert.equal((await slow).status, 200);
    await (await slow).text();
    assert.equal((await row('p1')).cooldowns[0]?.until, until);
    await ask();
    assert.deepEqual(counts(), [2, 2]);
  });
}

test('a 429 that comes late and asks for less does not shorten a cooldown', async (t) => {
  const calls = held();
  const { ask, row } = await routeOver(t, [{ script: calls.script }, { script: json() }]);
  const asked = [ask(), ask()];
  for (const seconds of ['60', '2']) {
    failing(429, 'Slow', { 'retry-after': seconds })(await calls.next(), {} as never, {} as never);
    await Promise.race(asked);
  }
  for (const answer of asked) assert.equal((await answer).headers.get('x-gateway-provider'), 'p2');
  const [cooldown] = (await row('p1')).cooldowns;
  assert.ok(Date.parse(cooldown?.until ?? '') - Date.now() > 50_000);
});
