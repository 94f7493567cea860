import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, errorOf, post } from '../helpers/gateway.js';
import { chatEvents, completion, failing, json, type Script } from '../helpers/upstream.js';
import { held, routeOver, sent, tries, until } from './routing-setup.js';

const answer: Script = json();

/** A 429 first, to a request outside the route, so that the target cools down for so many seconds. */
async function coolDown(running: Awaited<ReturnType<typeof routeOver>>, seconds: number, then: Script) {
  for (const [index, upstream] of running.upstreams.entries()) {
    upstream.script(failing(429, 'Slow', { 'retry-after': String(seconds) }));
    const limited = await post(`${running.gateway.url}/v1/chat/completions`, {
      ...chat,
      model: `p${index + 1}/m`,
    });
    assert.equal(limited.status, 429);
    upstream.script(then);
  }
}

const timing = (response: Response, part: string) =>
  Number(new RegExp(`${part};dur=([\\d.]+)`).exec(response.headers.get('server-timing') ?? '')?.[1]);

test('50 wait for targets that cool down for 2 s and are served in order, the 51st is told when to come', async (t) => {
  const queue = { maxWait: '10s', maxSize: 50 };
  // One connection each: what is handed over first arrives first.
  const member = { script: answer, connections: 1 };
  const running = await routeOver(t, [member, member], { queue });
  const coolAt = performance.now();
  await coolDown(running, 2, answer);
  const asked = [];
  for (let index = 1; index <= 50; index++) {
    asked.push(running.ask({ user: `u${index}` }));
    await running.untilQueued(index);
  }
  const left = 2_000 - (performance.now() - coolAt);
  const refused = await running.ask();
  assert.equal(refused.status, 429);
  const seconds = Number(refused.headers.get('retry-after'));
  assert.ok(seconds * 1000 >= left && seconds <= 2, `retry-after ${seconds}, ${left} ms are left`);
  assert.match((await errorOf(refused)).message, /queue/);
  assert.equal((await running.availability()).queues[0]?.waiting, 50);

  const answers = await Promise.all(asked);
  assert.ok(performance.now() - coolAt >= 1_950);
  for (const response of answers) {
    assert.equal(response.status, 200);
    const queued = timing(response, 'queue');
    assert.ok(queued > 0 && queued < 4_000, `${queued} ms in the queue`);
    assert.ok(timing(response, 'gateway') < 1_500, 'waiting is not the gateway at work');
  }
  const users = running.upstreams.map(({ seen }) =>
    seen.slice(1).map(({ body }) => Number(JSON.parse(body.toString()).user.slice(1))),
  );
  assert.deepEqual(
    users.flat().sort((one, other) => one - other),
    Array.from({ length: 50 }, (_, index) => index + 1),
    'one call each',
  );
  for (const order of users)
    assert.deepEqual(
      order,
      [...order].sort((one, other) => one - other),
    );
  assert.ok(timing(answers[0] as Response, 'queue') > 1_000, 'the first has waited longest');
  await running.assertIdle();
  const rows = await running.gateway.exchanges(53);
  const waited = rows.filter(({ outcome }) => outcome === 'ok');
  assert.equal(waited.length, 50);
  for (const row of waited) assert.ok(Number(row.queue_us) > 0);
  const last = rows.find(({ outcome }) => outcome === 'rejected');
  assert.deepEqual([last?.status, last?.end_reason], [429, 'rate_limited']);
  assert.ok(Number(last?.queue_us) < 100_000, 'it was not let in');
});

test('a client that leaves the queue is never sent, and those around it are', async (t) => {
  const { raw, ask, untilQueued, ...running } = await routeOver(t, [{ script: answer }], {
    queue: { maxWait: '10s', maxSize: 10 },
  });
  await coolDown({ raw, ask, untilQueued, ...running }, 1, answer);
  const before = ask({ user: 'before' });
  await untilQueued(1);
  const leaving = raw({ user: 'leaving' });
  await untilQueued(2);
  const after = ask({ user: 'after' });
  await untilQueued(3);
  leaving.outgoing.destroy();
  await untilQueued(2);
  assert.deepEqual([(await before).status, (await after).status], [200, 200]);
  const [, ...served] = running.upstreams[0]?.seen ?? [];
  assert.deepEqual(served.map(({ body }) => JSON.parse(body.toString()).user).sort(), ['after', 'before']);
  await running.assertIdle();
  const rows = await running.gateway.exchanges(4);
  const gone = rows.find(({ outcome }) => outcome === 'aborted');
  assert.deepEqual([gone?.end_reason, gone?.status], ['client_gone', null]);
  assert.ok(Number(gone?.queue_us) > 0);
});

test('the head of the queue leaves, and the next one takes its place at once', async (t) => {
  const calls = held();
  const { raw, ask, untilQueued, assertIdle } = await routeOver(
    t,
    [{ script: calls.script, limits: { concurrency: 1 } }],
    { queue: { maxWait: '10s', maxSize: 10 } },
  );
  const running = ask();
  const first = await calls.next();
  const head = raw();
  await untilQueued(1);
  const next = ask();
  await untilQueued(2);
  head.outgoing.destroy();
  await untilQueued(1);
  answer(first, {} as never, {} as never);
  assert.equal((await running).status, 200);
  answer(await calls.next(), {} as never, {} as never);
  assert.equal((await next).status, 200);
  await assertIdle();
});

test('nobody waits for what takes longer than its patience', async (t) => {
  const running = await routeOver(t, [{ script: answer }], { queue: { maxWait: '3s', maxSize: 10 } });
  await coolDown(running, 60, answer);
  const begin = performance.now();
  const refused = await running.ask();
  assert.ok(performance.now() - begin < 1_000);
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '60']);
  assert.deepEqual(running.calls(), [1]);
  const [, row] = await running.gateway.exchanges(2);
  assert.deepEqual([row?.outcome, row?.end_reason], ['rejected', 'rate_limited']);
  assert.deepEqual(tries(running.gateway.attempts()).slice(1), ['p1 skipped rate_limited']);
});

test('a shutdown sends those who wait away with 503, and records it', async (t) => {
  const running = await routeOver(
    t,
    [{ script: answer }],
    { queue: { maxWait: '20s' } },
    { drainTimeout: '50ms' },
  );
  await coolDown(running, 20, answer);
  const asked = [running.raw(), running.raw()];
  await running.untilQueued(2);
  const closing = running.gateway.app.close();
  for (const { response } of asked) {
    const refused = await response;
    const parts = [];
    for await (const part of refused) parts.push(part);
    assert.equal(refused.statusCode, 503);
    assert.equal(JSON.parse(Buffer.concat(parts).toString()).error.code, 'shutting_down');
  }
  await closing;
  assert.deepEqual(running.calls(), [1]);
  const rows = await running.gateway.exchanges(3);
  assert.deepEqual(
    rows.slice(1).map(({ status, outcome, end_reason }) => [status, outcome, end_reason]),
    [
      [503, 'failed', 'shutdown'],
      [503, 'failed', 'shutdown'],
    ],
  );
});

test('who waits for a slot goes on as soon as there is one: after an answer, a stream, a failure, a client', async (t) => {
  const calls = held();
  const { ask, raw, stream, untilQueued, assertIdle, gateway } = await routeOver(
    t,
    [{ script: calls.script, limits: { concurrency: 1 }, breaker: false }],
    { queue: { maxWait: '10s', maxSize: 10 } },
  );
  const begin = performance.now();
  const gone = raw();
  await calls.next();
  const failed = ask();
  await untilQueued(1);
  gone.outgoing.destroy();
  const second = await calls.next();
  const streamed = stream();
  await untilQueued(1);
  failing(500, 'broken')(second, {} as never, {} as never);
  assert.equal((await failed).status, 500);
  const third = await calls.next();
  const last = ask();
  await untilQueued(1);
  third.writeHead(200, { 'content-type': 'text/event-stream' }).write(chatEvents.slice(0, 3).join(''));
  const answered = await streamed;
  assert.equal(await gatewayWaiting(gateway.url), 1, 'a stream holds its slot until it ends');
  third.end(chatEvents.slice(3).join(''));
  await answered.text();
  answer(await calls.next(), {} as never, {} as never);
  assert.equal((await last).status, 200);
  assert.ok(performance.now() - begin < 5_000, 'nobody waited for a timer');
  await assertIdle();
  const rows = await gateway.exchanges(4);
  assert.deepEqual(rows.map(({ outcome }) => outcome).sort(), ['aborted', 'failed', 'ok', 'ok']);
  assert.equal(tries(gateway.attempts()).filter((what) => what === 'p1 skipped concurrency_full').length, 3);
});

async function gatewayWaiting(url: string): Promise<number> {
  return JSON.parse(await (await fetch(`${url}/stats/availability`)).text()).queues[0].waiting;
}

test('a 429 is waited out in the queue when a try is left, and not when none is', async (t) => {
  const limitedOnce: Script = failing(429, 'Slow', { 'retry-after': '1' });
  for (const [retries, statuses] of [
    [1, [200, ['p1 http_429', 'p1 answered']]],
    [0, [429, ['p1 http_429']]],
  ] as const) {
    const running = await routeOver(t, [{ script: limitedOnce }], { queue: { maxWait: '5s' }, retries });
    const begin = performance.now();
    const asked = running.ask();
    await until(() => running.calls()[0] === 1, 'the first call');
    running.upstreams[0]?.script(answer);
    const response = await asked;
    const took = performance.now() - begin;
    await running.gateway.exchanges(1);
    assert.deepEqual([response.status, sent(running.gateway.attempts())], statuses);
    assert.ok(retries === 0 ? took < 950 : took >= 950, `${took} ms`);
    if (retries === 0) assert.equal(response.headers.get('retry-after'), '1');
    await running.assertIdle();
  }
});

test('the answer of a request that waited is its own', async (t) => {
  const echo: Script = (response, { body }) =>
    json({ ...completion, id: JSON.parse(body.toString()).user })(response, {} as never, {} as never);
  const { ask } = await routeOver(t, [{ script: echo, limits: { concurrency: 2 } }], {
    queue: { maxWait: '10s', maxSize: 100 },
  });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => ask({ user: `u${index}` })));
  for (const [index, response] of answers.entries()) {
    assert.equal((JSON.parse(await response.text()) as { id: string }).id, `u${index}`);
  }
});
