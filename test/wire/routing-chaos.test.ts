import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import {
  chatEvents,
  completion,
  failing,
  json,
  roleChunk,
  type Script,
  sse,
  sseThenReset,
} from '../helpers/upstream.js';
import { counted, type Member, routeOver, until } from './routing-setup.js';

/** mulberry32: numbers from 0 to 1 that a seed determines. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const faults: Script[] = [
  failing(500, 'broken'),
  failing(503, 'busy', { 'retry-after': '1' }),
  failing(429, 'slow down', { 'retry-after': '1' }),
  failing(400, 'your mistake'),
  (_response, _seen, request) => request.socket.resetAndDestroy(),
  (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
  (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"cut'),
  json({ error: { message: 'in a 200', code: 'overloaded' } }),
  sseThenReset([roleChunk]),
  sseThenReset(chatEvents.slice(0, 3)),
  sse(['data: {"error":{"message":"early"}}\n\n']),
  // Says nothing until it is given up.
  () => {},
];

function unreliable(random: () => number, share: number): Script {
  return (response, seen, request) => {
    const good = seen.body.includes('"stream":true') ? sse() : json(completion);
    const bad = faults[Math.floor(random() * faults.length)] ?? good;
    const script = random() < share ? bad : good;
    setTimeout(() => script(response, seen, request), random() * 30);
  };
}

/** Members with limits, and how many calls each has in hand. */
function members(random: () => number) {
  const limits = [
    { concurrency: 4, requestsPerMinute: 25 },
    { concurrency: 3 },
    { concurrency: 6, tokensPerMinute: 50_000 },
  ];
  const counters = limits.map((_, index) => counted(unreliable(random, 0.4 - index / 10)));
  const list: Member[] = counters.map(({ script }, index) => ({
    script,
    limits: limits[index] ?? {},
    timeouts: { firstByte: '120ms', idle: '120ms' },
    breaker: { failures: 4, window: '10s', open: '1s' },
  }));
  return { limits, counts: counters.map(({ count }) => count), list };
}

type Running = Awaited<ReturnType<typeof routeOver>>;

/** One client: it takes what comes to the end, or leaves some time before. */
async function client(running: Running, random: () => number): Promise<void> {
  const stream = random() < 0.5;
  const leavesAfter = random() < 0.25 ? random() * 80 : null;
  const { outgoing, response } = running.raw({ stream, max_tokens: Math.floor(random() * 100) });
  const timer = leavesAfter === null ? null : setTimeout(() => outgoing.destroy(), leavesAfter);
  try {
    const answer = await response;
    const parts: Buffer[] = [];
    for await (const part of answer) parts.push(part);
    const text = Buffer.concat(parts).toString();
    if (answer.statusCode !== 200) assert.ok(JSON.parse(text).error, text);
    else if (!stream) assert.equal(JSON.parse(text).id, completion.id);
    else
      assert.ok(text.endsWith('[DONE]\n\n') !== /"error"/.test(text), 'an end or an error, and never both');
  } catch (error) {
    if (error instanceof assert.AssertionError || leavesAfter === null) throw error;
  } finally {
    if (timer !== null) clearTimeout(timer);
  }
}

async function storm(t: TestContext, seed: number, count: number): Promise<void> {
  const random = randomFrom(seed);
  const { limits, counts, list } = members(randomFrom(seed + 1000));
  let arrived = 0;
  const host = (app: FastifyInstance) =>
    app.addHook('onRequest', async ({ url }) => {
      if (url.endsWith('/v1/chat/completions')) arrived++;
    });
  const route = {
    strategy: seed % 2 === 0 ? ('priority' as const) : ('round-robin' as const),
    hedge: { delay: '15ms', maxShare: 0.5 },
    queue: { maxWait: '2s', maxSize: 40 },
    retries: 2,
  };
  const running = await routeOver(t, list, route, { host, disconnect: seed % 3 === 0 ? 'drain' : 'abort' });
  const clients = [];
  for (let index = 0; index < count; index++) {
    clients.push(client(running, random));
    if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, random() * 20));
  }
  await Promise.all(clients);

  const rows = await running.gateway.exchanges(arrived);
  await running.assertIdle();
  await until(() => counts.every(({ now }) => now === 0), 'no call is left at an upstream');
  for (const [index, { most }] of counts.entries()) {
    const limit = limits[index];
    // A call that is given up is over for the gateway a moment before its upstream hears of it.
    const noticed = (limit?.concurrency ?? 0) + 1;
    assert.ok(most <= noticed, `p${index + 1} had ${most} calls at once`);
  }
  const calls = running.calls();
  assert.ok((calls[0] ?? 0) <= 25, `p1 was sent ${calls[0]} in a minute`);
  const attempts = running.gateway.attempts();
  for (const row of rows) {
    const own = attempts.filter(
      ({ exchange_seq, decision }) => exchange_seq === row.seq && decision === 'sent',
    );
    const answered = own.filter(({ reason }) => reason === 'answered');
    assert.ok(
      own.every(({ reason }) => reason !== null),
      'each try says how it ended',
    );
    assert.ok(own.length <= 9 && answered.length <= 1);
    if (row.outcome === 'ok')
      assert.deepEqual(
        answered.map(({ provider }) => provider),
        [row.provider],
      );
  }
  const outcomes = new Set(rows.map(({ outcome }) => outcome));
  assert.ok(outcomes.has('ok') && outcomes.has('aborted'), [...outcomes].join());
  assert.ok(attempts.some(({ reason }) => reason === 'hedge_lost'));
  for (const [index, seen] of calls.entries()) {
    const sent = attempts.filter(
      ({ provider, decision }) => provider === `p${index + 1}` && decision === 'sent',
    );
    assert.ok(seen <= sent.length, 'no call without its row');
  }
}

for (const seed of [1, 2, 3]) {
  test(`nothing is lost or held for ever when everything goes wrong at once, seed ${seed}`, async (t) => {
    await storm(t, seed, 80);
  });
}
