import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chatEvents, failing, json, roleChunk, type Script, sse, sseThenReset } from '../helpers/upstream.js';
import { closed, held, holdClock, type Member, routeOver, sent, tries } from './routing-setup.js';

const breaker = { failures: 3, window: '60s', open: '30s' };
const down: Script = failing(500, 'broken');
const member = (script: Script): Member => ({ script, breaker });
const reset: Script = (_response, _seen, request) => request.socket.resetAndDestroy();

test('a provider that fails again and again is left alone, asked once after a while, and taken back', async (t) => {
  const { ask, calls, upstreams, gateway, row } = await routeOver(t, [member(down), member(json())]);
  const clock = holdClock(t);
  const go = async () => assert.equal((await ask()).status, 200);
  for (let turn = 0; turn < 3; turn++) await go();
  assert.deepEqual(calls(), [3, 3]);
  assert.equal((await row('p1')).breaker?.state, 'open');
  await go();
  clock.forward(29_999);
  await go();
  assert.deepEqual(calls(), [3, 5], 'nothing is sent while it is open');

  clock.forward(1);
  assert.equal((await row('p1')).breaker?.state, 'half_open');
  await go();
  assert.deepEqual(calls(), [4, 6], 'one call, which fails');
  clock.forward(59_999);
  await go();
  assert.deepEqual(calls(), [4, 7], 'the second time it stays open for twice as long');

  clock.forward(1);
  upstreams[0]?.script(json());
  await go();
  await go();
  assert.deepEqual(calls(), [6, 7]);
  assert.equal((await row('p1')).breaker?.state, 'closed');
  clock.release();
  await gateway.exchanges(9);
  assert.deepEqual(
    tries(gateway.attempts()).filter((what) => what.startsWith('p1')),
    [
      'p1 sent http_500',
      'p1 sent http_500',
      'p1 sent http_500',
      'p1 skipped breaker_open',
      'p1 skipped breaker_open',
      'p1 sent http_500',
      'p1 skipped breaker_open',
      'p1 sent answered',
      'p1 sent answered',
    ],
  );
});

test('half open, one call goes to see; all others go elsewhere until it has ended', async (t) => {
  const calls = held();
  const { ask, stream, upstreams, calls: counts, row } = await routeOver(t, [member(down), member(json())]);
  const clock = holdClock(t);
  for (let turn = 0; turn < 3; turn++) await ask();
  clock.forward(30_000);
  upstreams[0]?.script(calls.script);
  upstreams[1]?.script((response, seen, request) =>
    (seen.body.includes('"stream":true') ? sse() : json())(response, seen, request),
  );
  const probe = stream();
  const response = await calls.next();
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(chatEvents.slice(0, 3).join(''));
  const answer = await probe;
  const others = await Promise.all(Array.from({ length: 5 }, () => ask()));
  for (const other of others) assert.equal(other.headers.get('x-gateway-provider'), 'p2');
  assert.deepEqual(counts(), [4, 8]);
  assert.equal((await row('p1')).breaker?.state, 'half_open', 'a stream that has begun proves nothing');
  response.end(chatEvents.slice(3).join(''));
  await answer.text();
  assert.equal((await row('p1')).breaker?.state, 'closed');
  clock.release();
});

test('a probe whose client leaves proves nothing, and the next one may go', async (t) => {
  const calls = held();
  const { ask, raw, upstreams, row, gateway } = await routeOver(t, [member(down), member(json())]);
  const clock = holdClock(t);
  for (let turn = 0; turn < 3; turn++) await ask();
  clock.forward(30_000);
  upstreams[0]?.script(calls.script);
  const { outgoing } = raw();
  const response = await calls.next();
  outgoing.destroy();
  await closed(response);
  clock.release();
  await gateway.exchanges(4);
  const again = holdClock(t);
  again.forward(30_000);
  assert.equal((await row('p1')).breaker?.state, 'half_open');
  const next = ask();
  json()(await calls.next(), {} as never, {} as never);
  assert.equal((await next).headers.get('x-gateway-provider'), 'p1');
  assert.equal((await row('p1')).breaker?.state, 'closed');
});

test('with nothing else to ask: 503 with the moment at which one call goes to see', async (t) => {
  const { ask, calls, gateway } = await routeOver(t, [member(down)]);
  const clock = holdClock(t);
  for (let turn = 0; turn < 3; turn++) assert.equal((await ask()).status, 500);
  clock.forward(10_000);
  const response = await ask();
  assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '20']);
  assert.deepEqual(calls(), [3]);
  clock.release();
  const rows = await gateway.exchanges(4);
  assert.equal(rows.at(-1)?.end_reason, 'no_available_target');
});

const mistakes: [what: string, script: Script][] = [
  ['400s', failing(400, 'bad')],
  ['422s', failing(422, 'bad')],
  ['413s', failing(413, 'large')],
  ['streams that end well', sse()],
];

for (const [what, script] of mistakes) {
  test(`${what} do not open it`, async (t) => {
    const { stream, calls, row } = await routeOver(t, [member(script), member(json())]);
    for (let turn = 0; turn < 8; turn++) await (await stream()).text();
    assert.deepEqual(calls(), [8, 0]);
    assert.equal((await row('p1')).breaker?.state, 'closed');
  });
}

test('429s do not open it', async (t) => {
  const limited = failing(429, 'Slow', { 'retry-after': '1' });
  const { ask, calls, row } = await routeOver(t, [member(limited), member(json())]);
  const clock = holdClock(t);
  for (let turn = 0; turn < 8; turn++) {
    await ask();
    clock.forward(1_000);
  }
  assert.deepEqual(calls(), [8, 8]);
  assert.equal((await row('p1')).breaker?.state, 'closed');
});

test('clients that leave do not open it, neither before the answer nor in the middle of it', async (t) => {
  const calls = held();
  const { raw, row, gateway } = await routeOver(t, [member(calls.script)]);
  for (let turn = 0; turn < 8; turn++) {
    const { outgoing, response } = raw({ stream: true });
    const answer = await calls.next();
    if (turn % 2 === 0) {
      answer.writeHead(200, { 'content-type': 'text/event-stream' }).write(chatEvents.slice(0, 3).join(''));
      await response;
    }
    outgoing.destroy();
    await closed(answer);
  }
  await gateway.exchanges(8);
  assert.deepEqual(sent(gateway.attempts()), Array(8).fill('p1 client_gone'));
  assert.equal((await row('p1')).breaker?.state, 'closed');
});

const faults: [what: string, script: Script, reason: string][] = [
  ['connections that are cut', reset, 'upstream_reset'],
  ['503s', failing(503, 'busy'), 'http_503'],
  [
    'answers that are none',
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
    'upstream_invalid',
  ],
  ['streams that are cut before their content', sseThenReset([roleChunk]), 'upstream_reset'],
  ['streams that are cut after it', sseThenReset(chatEvents.slice(0, 3)), 'upstream_reset'],
];

for (const [what, script, reason] of faults) {
  test(`${what} open it`, async (t) => {
    const { stream, calls, row, gateway } = await routeOver(t, [member(script), member(sse())]);
    for (let turn = 0; turn < 5; turn++) await (await stream()).text();
    assert.equal((await row('p1')).breaker?.state, 'open');
    assert.equal(calls()[0], 3);
    await gateway.exchanges(5);
    const own = tries(gateway.attempts()).filter((line) => line.startsWith('p1'));
    assert.deepEqual(own, [
      ...Array(3).fill(`p1 sent ${reason}`),
      'p1 skipped breaker_open',
      'p1 skipped breaker_open',
    ]);
  });
}

test('a target that is too slow opens it, and a breaker that is turned off does not', async (t) => {
  const timeouts = { firstByte: '30ms' };
  const slow: Member = { script: () => {}, timeouts, breaker };
  const { ask, calls } = await routeOver(t, [slow, member(json())]);
  for (let turn = 0; turn < 4; turn++) await ask();
  assert.deepEqual(calls(), [3, 4]);
  const off = await routeOver(t, [{ script: down, breaker: false }, member(json())]);
  for (let turn = 0; turn < 8; turn++) await off.ask();
  assert.deepEqual(off.calls(), [8, 8]);
});
