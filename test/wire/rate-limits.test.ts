import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { completion, failing, json, type Script } from '../helpers/upstream.js';
import { answeredBySecond, errorOf, second, setUp, told } from './route-fixture.js';

const retryAfters: [what: string, headers: () => Record<string, string>, seconds: number][] = [
  ['seconds', () => ({ 'retry-after': '7' }), 7],
  ['a fraction of a second', () => ({ 'retry-after': '0.2' }), 1],
  ['zero', () => ({ 'retry-after': '0' }), 1],
  ['an HTTP date', () => ({ 'retry-after': new Date(Date.now() + 20_000).toUTCString() }), 20],
  ['a date in the past', () => ({ 'retry-after': new Date(0).toUTCString() }), 1],
  ['milliseconds', () => ({ 'retry-after-ms': '2500', 'retry-after': '60' }), 3],
  ['a billion seconds', () => ({ 'retry-after': '1000000000' }), 3600],
  ['nonsense', () => ({ 'retry-after': 'soon' }), 5],
  ['nothing', () => ({}), 5],
];

/** Cooldowns are deadlines, so the clock alone can be held and moved; no timer is touched. */
function holdClock(context: TestContext) {
  let now = Math.floor(Date.now() / 1000) * 1000;
  context.mock.method(Date, 'now', () => now);
  return {
    forward(ms: number) {
      now += ms;
    },
    release: () => context.mock.restoreAll(),
  };
}

for (const [what, headers, seconds] of retryAfters) {
  test(`429 with ${what} as retry-after: another target answers, and the first is left alone`, async (t) => {
    const limited: Script = (...args) => failing(429, 'Slow down', headers())(...args);
    const { gateway, ask, calls, upstreams } = await setUp(t, [limited, second]);
    const clock = holdClock(t);
    const response = await ask();
    await answeredBySecond(response);
    assert.equal(response.headers.get('x-gateway-attempts'), '2');

    const next = await ask();
    await answeredBySecond(next);
    assert.deepEqual(calls(), [1, 2], 'the limited target was not asked again');

    // With both limited, the one that is free first says when to come back.
    upstreams[1]?.script(failing(429, 'Slow down', { 'retry-after': '3600' }));
    const last = await ask();
    assert.deepEqual([last.status, last.headers.get('retry-after')], [429, String(seconds)]);

    clock.release();
    const rows = await gateway.exchanges(3);
    assert.deepEqual(told(gateway.attempts()), [
      '1 p1 sent http_429 429',
      '2 p2 sent answered 200',
      '1 p1 skipped rate_limited -',
      '2 p2 sent answered 200',
      '1 p1 skipped rate_limited -',
      '2 p2 sent http_429 429',
    ]);
    assert.deepEqual(
      rows.map((row) => [row.outcome, row.provider, row.attempts, row.error_code]),
      [
        ['ok', 'p2', 2, null],
        ['ok', 'p2', 2, null],
        ['failed', 'p2', 2, 'http_429'],
      ],
    );
  });
}

test('a target is asked again when its cooldown is over, and not a moment before', async (t) => {
  const limited = failing(429, 'x', { 'retry-after': '60' });
  const { gateway, ask, calls, upstreams } = await setUp(t, [limited, second]);
  const clock = holdClock(t);
  await answeredBySecond(await ask());
  upstreams[0]?.script(json({ ...completion, id: 'from-the-first' }));
  clock.forward(59_999);
  await answeredBySecond(await ask());
  clock.forward(1);
  const response = await ask();
  assert.equal(response.headers.get('x-gateway-provider'), 'p1');
  assert.deepEqual(calls(), [2, 2]);
  clock.release();
  await gateway.exchanges(3);
});

test('all targets limited: 429, with the earliest moment in every form that clients read', async (t) => {
  const { gateway, ask, calls } = await setUp(t, [
    failing(429, 'Slow', { 'retry-after': '40' }),
    failing(429, 'Slow', { 'retry-after': '20' }),
    failing(429, 'Slower', { 'retry-after-ms': '90000', 'retry-after': '90' }),
  ]);
  const clock = holdClock(t);
  const response = await ask();
  assert.equal(response.status, 429);
  assert.equal(response.headers.get('retry-after'), '20');
  assert.equal(response.headers.get('retry-after-ms'), null, 'clients prefer it, and it is of one target');
  assert.equal((await errorOf(response)).message, 'Slower');

  const next = await ask();
  assert.deepEqual([next.status, next.headers.get('retry-after')], [429, '20']);
  clock.release();
  assert.equal((await errorOf(next)).code, 'rate_limit_exceeded');
  assert.deepEqual(calls(), [1, 1, 1]);
  const rows = await gateway.exchanges(2);
  assert.deepEqual(
    rows.map((row) => [row.outcome, row.end_reason]),
    [
      ['failed', 'rate_limited'],
      ['rejected', 'rate_limited'],
    ],
  );
});
