import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfig } from '../../src/config.js';
import { backoff } from '../../src/upstream/backoff.js';
import { errorOf } from '../helpers/gateway.js';
import { completion, failing, json, type Script } from '../helpers/upstream.js';
import { held, type Member, routeOver, sent, tries, until } from './routing-setup.js';

const down: Script = failing(500, 'broken');
const member = (script: Script): Member => ({ script, breaker: false });

/** Fails as often as told, then answers. */
function failingTimes(times: number, script: Script = down): Script {
  let left = times;
  return (...args) => (left-- > 0 ? script : json())(...args);
}

test('a pause is at least half of 250 ms, 500 ms, 1 s … 8 s, at most the whole, and never less than asked', () => {
  for (const [round, longest] of [250, 500, 1000, 2000, 4000, 8000, 8000].entries()) {
    assert.equal(backoff(round, 0, 0), longest / 2);
    assert.equal(backoff(round, 0, 1), longest);
  }
  const unit = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.nat(10_000), unit, (round, asked, random) => {
      const ms = backoff(round, asked, random);
      assert.ok(ms !== null && ms >= asked && ms >= 125 && ms <= Math.max(8_000, asked));
    }),
  );
  assert.equal(backoff(0, 10_000, 0), 10_000);
  assert.equal(backoff(0, 10_001, 0), null);
  const pauses = new Set(Array.from({ length: 20 }, () => backoff(3, 0, Math.random())));
  assert.ok(pauses.size > 10, 'many exchanges do not come back at once');
});

test('another target is tried at once; the same one again only when no other is left, after a pause', async (t) => {
  const members = [member(failingTimes(1)), member(down)];
  const { ask, gateway } = await routeOver(t, members, { retries: 2 });
  const response = await ask();
  assert.equal(response.status, 200);
  await gateway.exchanges(1);
  const rows = gateway.attempts();
  assert.deepEqual(sent(rows), ['p1 http_500', 'p2 http_500', 'p1 answered']);
  const [first, other, again] = rows.map(({ started_us, total_us }) => [
    Number(started_us),
    Number(total_us),
  ]);
  assert.ok(first && other && again);
  const gap = ([at = 0]: number[], [start = 0, took = 0]: number[]) => (at - start - took) / 1000;
  assert.ok(gap(other, first) < 120, 'no pause before another target');
  assert.ok(gap(again, other) >= 120, 'but one before the same');
});

for (const [retries, expected] of [
  [0, 1],
  [1, 2],
  [2, 3],
] as const) {
  test(`with retries ${retries} a target is asked ${expected} times at most, and the last word is its own`, async (t) => {
    const { ask, calls, gateway, assertIdle } = await routeOver(t, [member(down)], {}, { retries });
    const response = await ask();
    assert.equal(response.status, 500);
    assert.equal((await errorOf(response)).message, 'broken');
    assert.deepEqual(calls(), [expected]);
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.outcome, row?.attempts, row?.upstream_status], ['failed', expected, 500]);
    await assertIdle();
  });
}

test('the retries of a route go before those of all, and without any there are two', async (t) => {
  assert.equal(parseConfig({}, {}).retries, 2);
  const { ask, calls } = await routeOver(t, [member(down)], { retries: 0 }, { retries: 5 });
  await ask();
  assert.deepEqual(calls(), [1]);
});

test('a mistake of the caller is not tried again, and neither is a refused credential', async (t) => {
  for (const status of [400, 401, 403, 404, 413, 422]) {
    const { ask, calls } = await routeOver(t, [member(failing(status, 'no'))], { retries: 2 });
    assert.equal((await ask()).status, status);
    assert.deepEqual(calls(), [1]);
  }
});

test('a question that is too long for every target is answered without a pause', async (t) => {
  const tooLong = failing(400, "This model's maximum context length is 8192 tokens");
  const members = [member(tooLong), member(tooLong)];
  const { ask, gateway } = await routeOver(t, members, { retries: 5 });
  const begin = performance.now();
  const response = await ask();
  assert.equal(response.status, 400);
  // Five pauses take 3.9 s at least.
  assert.ok(performance.now() - begin < 3_000, `took ${performance.now() - begin} ms`);
  await gateway.exchanges(1);
  assert.deepEqual(sent(gateway.attempts()), ['p1 http_400']);
});

test('the retry-after of a 503 is waited for, when it is not longer than 10 s', async (t) => {
  const busy = failing(503, 'busy', { 'retry-after': '1' });
  const patient = await routeOver(t, [member(failingTimes(1, busy))], { retries: 2 });
  let begin = performance.now();
  assert.equal((await patient.ask()).status, 200);
  assert.ok(performance.now() - begin >= 995);
  assert.deepEqual(patient.calls(), [2]);

  const long = failing(503, 'busy', { 'retry-after': '11' });
  const vain = await routeOver(t, [member(failingTimes(1, long))], { retries: 2 });
  begin = performance.now();
  const response = await vain.ask();
  assert.ok(performance.now() - begin < 5_000);
  assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '11']);
  assert.deepEqual(vain.calls(), [1]);
});

test('a target that asked for a minute is not asked again because another one failed last', async (t) => {
  const busy = failing(503, 'busy', { 'retry-after': '60' });
  const members = [member(busy), member(failingTimes(1))];
  const { ask, gateway } = await routeOver(t, members, { retries: 2 });
  assert.equal((await ask()).status, 200);
  await gateway.exchanges(1);
  assert.deepEqual(sent(gateway.attempts()), ['p1 http_503', 'p2 http_500', 'p2 answered']);
});

test('that others took the slot of a failed try does not end its retries', async (t) => {
  const calls = held();
  const { gateway, ask, untilQueued, assertIdle } = await routeOver(
    t,
    [{ script: calls.script, limits: { concurrency: 1 }, breaker: false }],
    {},
    { routes: { q: { targets: ['p1/m'], queue: {} }, r: { targets: ['p1/m'], retries: 1 } } },
  );
  const tried = ask();
  const first = await calls.next();
  const waiting = ask({ model: 'q' });
  await untilQueued(1);
  down(first, {} as never, {} as never);
  json()(await calls.next(), {} as never, {} as never);
  assert.equal((await waiting).headers.get('x-gateway-route'), 'q');
  json()(await calls.next(), {} as never, {} as never);
  assert.equal((await tried).status, 200);
  await gateway.exchanges(2);
  await assertIdle();
});

test('a client that leaves during the pause: nothing more is sent, and the record says so', async (t) => {
  const busy = failing(503, 'busy', { 'retry-after': '1' });
  const { raw, gateway, upstreams, calls, assertIdle, row } = await routeOver(
    t,
    [{ script: busy, breaker: false }, { script: json() }],
    { targets: ['p1/m'], retries: 2 },
  );
  const { outgoing } = raw();
  await until(() => upstreams[0]?.seen.length === 1, 'the first call');
  // Once its permit is back, the failure has been read and the pause has begun.
  while ((await row('p1')).in_flight > 0);
  outgoing.destroy();
  const [record] = await gateway.exchanges(1);
  assert.deepEqual([record?.outcome, record?.end_reason], ['aborted', 'client_gone']);
  // Whatever is sent now would have been sent before this.
  const later = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'p1/m', messages: [{ role: 'user', content: 'Hi' }], user: 'later' }),
  });
  await later.text();
  const users = upstreams[0]?.seen.map(({ body }) => JSON.parse(body.toString()).user ?? 'first') ?? [];
  assert.deepEqual(
    users.filter((user) => user === 'first'),
    ['first'],
  );
  assert.equal(calls()[1], 0);
  assert.deepEqual(tries(gateway.attempts()).slice(0, 1), ['p1 sent http_503']);
  await assertIdle();
});

test('a connection that the upstream closes just as a request goes out is made up for by a try again', async (t) => {
  const used = new Set<object>();
  const script: Script = (response, seen, request) => {
    if (used.has(request.socket)) {
      request.socket.destroy();
      return;
    }
    used.add(request.socket);
    json(completion)(response, seen, request);
  };
  const { ask, calls, gateway } = await routeOver(t, [{ script }], { retries: 1 });
  assert.equal((await ask()).status, 200);
  assert.equal((await ask()).status, 200);
  assert.deepEqual(calls(), [3]);
  const rows = await gateway.exchanges(2);
  assert.deepEqual(
    rows.map(({ outcome }) => outcome),
    ['ok', 'ok'],
  );
  assert.deepEqual(sent(gateway.attempts()), ['p1 answered', 'p1 upstream_reset', 'p1 answered']);
});
