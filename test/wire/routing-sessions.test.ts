import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failing, json } from '../helpers/upstream.js';
import { recordOf, setUpParts, toldBy } from './strategy-fixture.js';

const sticky = { strategy: 'round-robin', sticky: true } as const;
const session = (id: string) => ({ 'x-session-id': id });

test('a session stays on the target that answered it, while others go round', async (t) => {
  const { who, whoInTurn } = await setUpParts(t, { one: {}, two: {}, three: {} }, sticky);
  assert.equal(await who('Hi', {}, session('a')), 'one');
  assert.equal(await who('Hi', {}, session('b')), 'two');
  assert.deepEqual(await whoInTurn(4, 'Hi', {}, session('a')), Array(4).fill('one'));
  assert.deepEqual(await whoInTurn(2, 'Hi', {}, session('b')), Array(2).fill('two'));
  assert.equal(new Set(await whoInTurn(3)).size, 3);
});

test('without sticky, the session changes nothing', async (t) => {
  const { whoInTurn } = await setUpParts(t, { one: {}, two: {} }, { strategy: 'round-robin' });
  assert.deepEqual(await whoInTurn(4, 'Hi', {}, session('a')), ['one', 'two', 'one', 'two']);
});

test('a session moves when its target cannot be used, and stays where it went', async (t) => {
  const { gateway, who, whoInTurn, ask, upstreams } = await setUpParts(t, { one: {}, two: {} }, sticky);
  assert.equal(await who('Hi', {}, session('a')), 'one');
  upstreams.one.script(failing(429, 'later', { 'retry-after': '1' }));
  assert.equal(await who('Hi', {}, session('a')), 'two');
  const moved = await ask('Hi', {}, session('a'));
  assert.deepEqual(toldBy(await recordOf(gateway.url, moved)), [
    'one skipped rate_limited',
    'two sent answered',
  ]);
  upstreams.one.script(json());
  // Past the second for which the first was left out, by the clock alone.
  const start = Date.now();
  t.mock.method(Date, 'now', () => start + 5_000);
  assert.deepEqual(await whoInTurn(3, 'Hi', {}, session('a')), Array(3).fill('two'));
  assert.ok((await whoInTurn(2)).includes('one'), 'the first is back for others');
});

test('a session that a policy forbids its target moves for that request', async (t) => {
  const { who } = await setUpParts(t, { one: {}, two: {} }, sticky, {
    policies: { notOne: { deny: ['one/*'] } },
  });
  assert.equal(await who('Hi', {}, session('a')), 'one');
  assert.equal(await who('Hi', {}, { ...session('a'), 'x-gateway-policy': 'notOne' }), 'two');
});

test('the same session id of two keys is two sessions', async (t) => {
  const [web, ops] = ['key-of-the-web-team', 'key-of-the-ops-team'];
  const { whoInTurn } = await setUpParts(t, { one: {}, two: {} }, sticky, {
    keys: [
      { name: 'web', key: web },
      { name: 'ops', key: ops },
    ],
  });
  const asked = (key: string) => whoInTurn(2, 'Hi', {}, { ...session('a'), authorization: `Bearer ${key}` });
  assert.deepEqual(
    [await asked(web), await asked(ops)],
    [
      ['one', 'one'],
      ['two', 'two'],
    ],
  );
  assert.deepEqual(
    [await asked(web), await asked(ops)],
    [
      ['one', 'one'],
      ['two', 'two'],
    ],
  );
});

test('a session is not bound by a target that failed', async (t) => {
  const { who, upstreams } = await setUpParts(
    t,
    { one: { script: failing(500, 'down') }, two: {} },
    { strategy: 'priority', sticky: true },
  );
  assert.equal(await who('Hi', {}, session('a')), 'two');
  upstreams.one.script(json());
  assert.equal(await who('Hi', {}, session('a')), 'two', 'its provider has the prompt in its cache');
  assert.equal(await who('Hi', {}, session('b')), 'one');
});
