import assert from 'node:assert/strict';
import { test } from 'node:test';
import { post } from '../helpers/gateway.js';
import { completion, failing, json, type Script, sse } from '../helpers/upstream.js';
import { held, routeOver, sent, until } from '../wire/routing-setup.js';

const answer: Script = json();
const queue = { maxWait: '5s', maxSize: 10 };

test('who waits for a slot is not sent to the target whose 429 has freed it', async (t) => {
  const calls = held();
  const { ask, untilQueued, upstreams } = await routeOver(
    t,
    [{ script: calls.script, limits: { concurrency: 1 } }],
    { queue },
  );
  const first = ask();
  const response = await calls.next();
  const second = ask();
  await untilQueued(1);
  const arrivals: number[] = [];
  upstreams[0]?.script((...call) => {
    arrivals.push(performance.now());
    answer(...call);
  });
  const limitedAt = performance.now();
  failing(429, 'Slow', { 'retry-after': '1' })(response, {} as never, {} as never);
  assert.equal((await second).status, 200);
  assert.ok((arrivals[0] ?? 0) - limitedAt > 900, 'nothing is sent while it cools down');
  await first;
});

test('turns are taken by requests that have waited in a queue', async (t) => {
  const calls = held();
  const member = { script: calls.script, limits: { concurrency: 1 }, models: { m: {}, n: {} } };
  const { ask, untilQueued, upstreams } = await routeOver(t, [member], {
    targets: ['p1/m', 'p1/n'],
    strategy: 'round-robin',
    queue,
  });
  const first = ask();
  const response = await calls.next();
  const asked = [ask(), ask(), ask()];
  await untilQueued(3);
  upstreams[0]?.script(answer);
  answer(response, {} as never, {} as never);
  for (const each of await Promise.all([first, ...asked])) assert.equal(each.status, 200);
  const models = upstreams[0]?.seen.map(({ body }) => JSON.parse(body.toString()).model);
  assert.deepEqual(models, ['m', 'n', 'm', 'n']);
});

test('nobody waits behind a request that has no use for what is free', async (t) => {
  const { gateway, ask, untilQueued, upstreams, calls } = await routeOver(
    t,
    [{ script: failing(429, 'Slow', { 'retry-after': '4' }) }, { script: answer }],
    { queue },
    { policies: { 'first-only': { allow: ['p1/*'] } } },
  );
  const url = `${gateway.url}/v1/chat/completions`;
  const body = { model: 'p1/m', messages: [{ role: 'user', content: 'Hi' }] };
  assert.equal((await post(url, body)).status, 429);
  upstreams[0]?.script(answer);
  const bound = post(url, { ...body, model: 'r' }, { 'x-gateway-policy': 'first-only' });
  await untilQueued(1);
  const startedAt = performance.now();
  assert.equal((await ask()).status, 200);
  assert.ok(performance.now() - startedAt < 2_000);
  assert.deepEqual(calls(), [1, 1], 'the other one still waits');
  assert.equal((await bound).status, 200);
});

test('all lanes of a route together hold no more than its queue may', async (t) => {
  const { gateway, untilQueued } = await routeOver(
    t,
    [
      { script: failing(429, 'Slow', { 'retry-after': '2' }) },
      { script: failing(429, 'Slow', { 'retry-after': '2' }) },
    ],
    { queue: { maxWait: '5s', maxSize: 2 } },
    { policies: { one: { allow: ['p1/*'] }, two: { allow: ['p2/*'] } } },
  );
  const url = `${gateway.url}/v1/chat/completions`;
  const body = { model: 'r', messages: [{ role: 'user', content: 'Hi' }] };
  for (const model of ['p1/m', 'p2/m']) assert.equal((await post(url, { ...body, model })).status, 429);
  const waiting = [
    post(url, body, { 'x-gateway-policy': 'one' }),
    post(url, body, { 'x-gateway-policy': 'two' }),
  ];
  await untilQueued(2);
  const refused = await post(url, body);
  assert.equal(refused.status, 429);
  assert.match(await refused.text(), /queue/);
  await Promise.all(waiting);
});

test('who leaves during a pause takes no place in the queue', async (t) => {
  const calls = held();
  const { gateway, raw, ask, queued, assertIdle, upstreams } = await routeOver(
    t,
    [{ script: failing(503, 'busy', { 'retry-after': '1' }), limits: { concurrency: 1 } }],
    { queue, retries: 1 },
  );
  const leaving = raw();
  await until(() => upstreams[0]?.seen.length === 1, 'the first try');
  upstreams[0]?.script(calls.script);
  const other = ask();
  const response = await calls.next();
  leaving.outgoing.destroy();
  const [row] = await gateway.exchanges(1);
  assert.equal(row?.end_reason, 'client_gone');
  assert.equal(queued(), 0, 'it waits for the slot that the other one holds');
  answer(response, {} as never, {} as never);
  assert.equal((await other).status, 200);
  await assertIdle();
});

test('nobody waits for a target that the request is known to be too long for', async (t) => {
  const tooLong = failing(400, 'context_length_exceeded');
  const models = { m: { context: 8000 } };
  const { gateway, ask, upstreams } = await routeOver(
    t,
    [
      { script: tooLong, models },
      { script: failing(429, 'Slow', { 'retry-after': '3' }), models },
    ],
    { queue },
  );
  const body = { model: 'p2/m', messages: [{ role: 'user', content: 'Hi' }] };
  assert.equal((await post(`${gateway.url}/v1/chat/completions`, body)).status, 429);
  upstreams[1]?.script(json(completion));
  const startedAt = performance.now();
  assert.equal((await ask()).status, 400);
  assert.ok(performance.now() - startedAt < 2_000);
  assert.equal(upstreams[1]?.seen.length, 1);
});

test('retry-after does not speak of targets that a policy forbids', async (t) => {
  const { gateway } = await routeOver(
    t,
    [{ script: failing(429, 'Slow', { 'retry-after': '30' }) }, { script: answer }],
    {},
    { policies: { one: { allow: ['p1/*'] } } },
  );
  const body = { model: 'r', messages: [{ role: 'user', content: 'Hi' }] };
  const refused = await post(`${gateway.url}/v1/chat/completions`, body, { 'x-gateway-policy': 'one' });
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '30']);
});

test('a caller is not refused for options that the gateway has added, whoever took the slot', async (t) => {
  const calls = held();
  const { gateway, stream, untilQueued, upstreams } = await routeOver(
    t,
    [{ script: calls.script, limits: { concurrency: 1 } }],
    { queue },
  );
  const first = stream();
  const response = await calls.next();
  const second = stream();
  await untilQueued(1);
  upstreams[0]?.script((reply, seen, request) => {
    const asks = seen.body.includes('stream_options');
    (asks ? failing(400, 'unknown field stream_options') : sse())(reply, seen, request);
  });
  failing(400, 'unknown field stream_options')(response, {} as never, {} as never);
  const answers = await Promise.all([first, second]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200],
  );
  await Promise.all(answers.map((each) => each.text()));
  await gateway.exchanges(2);
  assert.equal(sent(gateway.attempts()).filter((row) => row.endsWith('answered')).length, 2);
});
