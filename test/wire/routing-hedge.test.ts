import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { chat, errorOf, post } from '../helpers/gateway.js';
import { chatEvents, completion, failing, json, roleChunk, type Script, sse } from '../helpers/upstream.js';
import { closed, held, type Member, routeOver, sent } from './routing-setup.js';

const hedge = { delay: '40ms', maxShare: 1 };
const limits = { concurrency: 50 };

/** A price that tells whose usage was counted. */
const priced = (output: number): NonNullable<Member['models']> => ({ m: { price: { input: 0, output } } });

function play(script: Script, response: ServerResponse): void {
  script(response, {} as never, {} as never);
}

const answerOf = (id: string, tokens = 2) =>
  json({
    ...completion,
    id,
    usage: { prompt_tokens: 10, completion_tokens: tokens, total_tokens: 10 + tokens },
  });
const streamOf = (id: string) => sse(chatEvents.map((event) => event.replaceAll(completion.id, id)));

/** Two targets whose answers are given by hand. */
async function twoHeld(t: Parameters<typeof routeOver>[0], route: object = {}, more: object = {}) {
  const [one, two] = [held(), held()];
  const members: Member[] = [
    { script: one.script, models: priced(1), limits, breaker: false },
    { script: two.script, models: priced(1000), limits, breaker: false },
  ];
  return { one, two, ...(await routeOver(t, members, { hedge, ...route }, more)) };
}

for (const streaming of [false, true]) {
  const kind = streaming ? 'a stream' : 'JSON';
  const complete = streaming ? streamOf : answerOf;

  test(`${kind}: the second target is asked when the first gives no content, and the first is let go`, async (t) => {
    const { one, two, ask, gateway, assertIdle } = await twoHeld(t);
    const begin = performance.now();
    const asked = ask({ stream: streaming });
    const first = await one.next();
    // What comes before the content is none.
    if (streaming) first.writeHead(200, { 'content-type': 'text/event-stream' }).write(roleChunk);
    const second = await two.next();
    assert.ok(performance.now() - begin >= 39);
    play(complete('from-the-second'), second);
    const response = await asked;
    assert.equal(response.headers.get('x-gateway-provider'), 'p2');
    const text = await response.text();
    assert.match(text, /from-the-second/);
    if (streaming) assert.equal(text.split('[DONE]').length, 2);
    assert.equal(text.split('"role":"assistant"').length, 2, 'nothing of the first');
    await closed(first);
    assert.equal(first.writableFinished, false, 'its connection was cut');
    const [row] = await gateway.exchanges(1);
    assert.deepEqual(sent(gateway.attempts()), ['p1 hedge_lost', 'p2 answered']);
    assert.deepEqual(
      [row?.outcome, row?.provider, row?.cost_nano, row?.usage_source, row?.upstream_status],
      ['ok', 'p2', 2_000_000, 'reported', 200],
    );
    await assertIdle();
  });

  test(`${kind}: the first is still the one that answers when it is faster in the end`, async (t) => {
    const { one, two, ask, gateway, assertIdle } = await twoHeld(t);
    const asked = ask({ stream: streaming });
    const first = await one.next();
    const second = await two.next();
    if (streaming) second.writeHead(200, { 'content-type': 'text/event-stream' }).write(roleChunk);
    play(complete('from-the-first'), first);
    const response = await asked;
    assert.equal(response.headers.get('x-gateway-provider'), 'p1');
    assert.match(await response.text(), /from-the-first/);
    await closed(second);
    const [row] = await gateway.exchanges(1);
    assert.deepEqual(sent(gateway.attempts()), ['p1 answered', 'p2 hedge_lost']);
    assert.deepEqual([row?.provider, row?.model, row?.cost_nano], ['p1', 'm', 2_000]);
    await assertIdle();
  });

  test(`${kind}: both answer in the same breath, and one of them is taken`, async (t) => {
    const { one, two, ask, gateway, assertIdle } = await twoHeld(t);
    for (let round = 0; round < 8; round++) {
      const asked = ask({ stream: streaming });
      const [first, second] = [await one.next(), await two.next()];
      play(complete('from-p1'), first);
      play(complete('from-p2'), second);
      const response = await asked;
      const text = await response.text();
      const provider = response.headers.get('x-gateway-provider');
      assert.ok(text.includes(`from-${provider}`));
      assert.ok(!text.includes(provider === 'p1' ? 'from-p2' : 'from-p1'));
    }
    const rows = await gateway.exchanges(8);
    assert.ok(rows.every(({ outcome }) => outcome === 'ok'));
    const reasons = gateway.attempts().map(({ reason }) => reason);
    assert.equal(reasons.filter((reason) => reason === 'answered').length, 8);
    assert.equal(reasons.filter((reason) => reason === 'hedge_lost').length, 8);
    await assertIdle();
  });

  test(`${kind}: a client that leaves ends both calls`, async (t) => {
    const { one, two, raw, gateway, assertIdle } = await twoHeld(t);
    const { outgoing } = raw({ stream: streaming });
    const [first, second] = [await one.next(), await two.next()];
    outgoing.destroy();
    await Promise.all([closed(first), closed(second)]);
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.outcome, row?.end_reason], ['aborted', 'client_gone']);
    assert.deepEqual(sent(gateway.attempts()), ['p1 client_gone', 'p2 client_gone']);
    await assertIdle();
  });
}

test('a first that fails after the second was asked: the second answers', async (t) => {
  const { one, two, ask, gateway, assertIdle } = await twoHeld(t);
  const asked = ask();
  const [first, second] = [await one.next(), await two.next()];
  play(failing(500, 'broken'), first);
  await closed(first);
  play(answerOf('from-the-second'), second);
  assert.equal((await asked).headers.get('x-gateway-provider'), 'p2');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual(sent(gateway.attempts()), ['p1 http_500', 'p2 answered']);
  assert.equal(row?.outcome, 'ok');
  await assertIdle();
});

test('both fail: the record, its status and its provider are of the same one', async (t) => {
  const { one, two, ask, gateway, assertIdle } = await twoHeld(t);
  const asked = ask();
  const [first, second] = [await one.next(), await two.next()];
  play(failing(503, 'of the second'), second);
  await closed(second);
  await assertOne(gateway.url);
  play(failing(500, 'of the first'), first);
  const response = await asked;
  assert.equal(response.status, 500);
  assert.equal((await errorOf(response)).message, 'of the first');
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.provider, row?.upstream_status, row?.error_message], ['p1', 500, 'of the first']);
  assert.deepEqual(sent(gateway.attempts()), ['p1 http_500', 'p2 http_503']);
  await assertIdle();
});

/** Resolves once the second target's permit is back. */
async function assertOne(url: string): Promise<void> {
  for (;;) {
    const { data } = JSON.parse(await (await fetch(`${url}/stats/availability`)).text());
    const second = data.find(
      (row: { provider: string; model: unknown }) => row.provider === 'p2' && row.model === 'm',
    );
    if (second.in_flight === 0) return;
  }
}

test('the caller reads of its mistake, whichever target says so first', async (t) => {
  for (const late of ['p1', 'p2']) {
    const { one, two, ask, gateway, upstreams } = await twoHeld(t);
    const asked = ask();
    const [first, second] = [await one.next(), await two.next()];
    const [mistaken, broken] = late === 'p1' ? [second, first] : [first, second];
    play(failing(400, 'your mistake'), mistaken);
    await closed(mistaken);
    // The last word is the other one's, and says less.
    play(failing(500, 'broken'), broken);
    const response = await asked;
    assert.deepEqual([response.status, (await errorOf(response)).message], [400, 'your mistake']);
    const [row] = await gateway.exchanges(1);
    assert.equal(row?.upstream_status, 400);
    assert.deepEqual(
      upstreams.map(({ seen }) => seen.length),
      [1, 1],
    );
  }
});

test('both are slow: no third is asked, and the answer is the first that comes', async (t) => {
  const third = held();
  const [one, two] = [held(), held()];
  const { ask, calls } = await routeOver(
    t,
    [one, two, third].map(({ script }) => ({ script })),
    { hedge },
  );
  const asked = ask();
  const [, second] = [await one.next(), await two.next()];
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.deepEqual(calls(), [1, 1, 0]);
  play(json(), second);
  assert.equal((await asked).headers.get('x-gateway-provider'), 'p2');
});

test('nobody else is asked when the first is fast, fails at once, or is the only one', async (t) => {
  const unhurried = { hedge: { delay: '2s', maxShare: 1 } };
  const fast = await routeOver(t, [{ script: json() }, { script: json() }], unhurried);
  await fast.ask();
  assert.deepEqual(fast.calls(), [1, 0]);

  const failed = await routeOver(t, [{ script: failing(500, 'broken') }, { script: json() }], unhurried);
  await failed.ask();
  assert.deepEqual(failed.calls(), [1, 1]);
  await failed.gateway.exchanges(1);
  assert.deepEqual(sent(failed.gateway.attempts()), ['p1 http_500', 'p2 answered']);

  const slow: Script = (...args) => setTimeout(() => json()(...args), 80);
  const alone = await routeOver(t, [{ script: slow }], { hedge });
  await alone.ask();
  assert.deepEqual(alone.calls(), [1]);
  const blocked = await routeOver(
    t,
    [{ script: slow }, { script: json(), limits: { requestsPerMinute: 1 } }],
    { hedge },
  );
  await post(`${blocked.gateway.url}/v1/chat/completions`, { ...chat, model: 'p2/m' });
  assert.equal((await blocked.ask()).headers.get('x-gateway-provider'), 'p1');
  assert.deepEqual(blocked.calls(), [1, 1], 'the second one has no room');
});

test('with p95 the second is asked only once enough is known of the first, and then after its own 95th percentile', async (t) => {
  let delay = 25;
  const script: Script = (...args) => setTimeout(() => json()(...args), delay);
  const { ask, calls, gateway } = await routeOver(t, [{ script }, { script: json() }], {
    hedge: { delay: 'p95', maxShare: 1 },
  });
  delay = 60;
  await ask();
  delay = 25;
  assert.deepEqual(calls(), [1, 0], 'nothing is known yet');
  for (let turn = 0; turn < 24; turn++) await ask();
  const before = calls()[1] ?? 0;
  delay = 2_000;
  const begin = performance.now();
  const response = await ask();
  assert.equal(response.headers.get('x-gateway-provider'), 'p2');
  const took = performance.now() - begin;
  assert.ok(took >= 24 && took < 1_900, `${took} ms`);
  assert.equal(calls()[1], before + 1);
  await gateway.exchanges(26);
});

test('of 200 slow requests no more than the share is sent twice, also when each goes through several targets', async (t) => {
  const slow: Script = (...args) => setTimeout(() => json()(...args), 30);
  const { ask, calls, gateway, assertIdle } = await routeOver(
    t,
    [{ script: failing(500, 'broken'), breaker: false }, { script: slow }, { script: slow }],
    { hedge: { delay: '5ms', maxShare: 0.1 } },
  );
  await Promise.all(Array.from({ length: 200 }, async () => (await ask()).text()));
  const rows = await gateway.exchanges(200);
  assert.ok(rows.every(({ outcome }) => outcome === 'ok'));
  const [first = 0, second = 0, third = 0] = calls();
  assert.ok(first <= 200);
  const twice = first + second + third - 400;
  const lost = gateway.attempts().filter(({ reason }) => reason === 'hedge_lost').length;
  assert.ok(lost > 5 && lost <= 20, `${lost} of 200 were sent twice`);
  assert.ok(twice <= 20);
  await assertIdle();
});

test('a client that leaves while its answer is read on for the record: nobody else is asked', async (t) => {
  const { one, raw, gateway, calls, assertIdle } = await twoHeld(
    t,
    { hedge: { delay: '100ms', maxShare: 1 } },
    { disconnect: 'drain' },
  );
  const { outgoing } = raw();
  const first = await one.next();
  outgoing.destroy();
  await new Promise((resolve) => setTimeout(resolve, 200));
  play(answerOf('read-on'), first);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.usage_source, row?.provider], ['aborted', 'reported', 'p1']);
  assert.deepEqual(calls(), [1, 0]);
  await assertIdle();
});

test('a client that leaves both calls to be read on: the first is read, the second ends', async (t) => {
  const { one, two, raw, gateway, assertIdle } = await twoHeld(t, {}, { disconnect: 'drain' });
  const { outgoing } = raw();
  const [first, second] = [await one.next(), await two.next()];
  outgoing.destroy();
  await closed(second);
  play(answerOf('read-on'), first);
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.usage_source, row?.provider], ['aborted', 'reported', 'p1']);
  assert.deepEqual(sent(gateway.attempts()), ['p1 answered', 'p2 hedge_lost']);
  await assertIdle();
});
