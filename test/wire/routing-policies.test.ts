import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, HARD, recordOf, setUpParts, toldBy } from './strategy-fixture.js';

const names = (name: string) => ({ 'x-gateway-policy': name });

test('a policy that the header names keeps to what it allows, and the record and the answer tell it', async (t) => {
  const { gateway, ask, upstreams } = await setUpParts(
    t,
    { one: {}, two: {}, three: {} },
    {},
    { policies: { late: { deny: ['one/*', 'two/m'] }, narrow: { allow: ['t*/m'] } } },
  );
  const denied = await ask('Hi', {}, names('late'));
  assert.deepEqual(
    [denied.headers.get('x-gateway-provider'), denied.headers.get('x-gateway-policy')],
    ['three', 'late'],
  );
  const record = await recordOf(gateway.url, denied);
  assert.deepEqual([record.policy, record.strategy], ['late', 'priority']);
  assert.deepEqual(toldBy(record), [
    'one skipped policy_denied',
    'two skipped policy_denied',
    'three sent answered',
  ]);
  const allowed = await ask('Hi', {}, names('narrow'));
  assert.equal(allowed.headers.get('x-gateway-provider'), 'two');
  assert.equal(upstreams.one.seen.length, 0);
});

test('an unknown policy is the caller’s mistake, and nothing is sent', async (t) => {
  const { gateway, ask, upstreams } = await setUpParts(t, { one: {} }, {}, { policies: { known: {} } });
  for (const name of ['unknown', 'KNOWN', '__proto__']) {
    const { status, code, param, message } = await errorOf(await ask('Hi', {}, names(name)));
    assert.deepEqual([status, code, param], [400, 'invalid_request_error', 'x-gateway-policy']);
    assert.ok(message.includes(name));
  }
  assert.equal(upstreams.one.seen.length, 0);
  const rows = await gateway.exchanges(3);
  assert.deepEqual([rows[0]?.outcome, rows[0]?.end_reason], ['rejected', 'invalid_request']);
});

test('the header of a policy never reaches the provider', async (t) => {
  const { ask, upstreams } = await setUpParts(t, { one: {} }, {}, { policies: { known: {} } });
  assert.equal((await ask('Hi', {}, names('known'))).status, 200);
  assert.equal(upstreams.one.seen[0]?.headers['x-gateway-policy'], undefined);
});

test('the policy of a key holds for what it asks, and what it forbids stays forbidden under another', async (t) => {
  const [web, ops] = ['key-of-the-web-team', 'key-of-the-ops-team'];
  const { gateway, ask } = await setUpParts(
    t,
    { one: {}, two: {}, three: {} },
    {},
    {
      keys: [
        { name: 'web', key: web, policy: 'notOne' },
        { name: 'ops', key: ops, scopes: ['proxy', 'read'] },
      ],
      policies: { notOne: { deny: ['one/*'] }, notTwo: { deny: ['two/*'] } },
    },
  );
  const bearer = (key: string, policy?: string) => ({
    authorization: `Bearer ${key}`,
    ...(policy !== undefined && names(policy)),
  });
  const providerFor = async (key: string, policy?: string) =>
    (await ask('Hi', {}, bearer(key, policy))).headers.get('x-gateway-provider');
  assert.equal(await providerFor(ops), 'one');
  assert.equal(await providerFor(web), 'two');
  assert.equal(await providerFor(ops, 'notTwo'), 'one');
  const both = await ask('Hi', {}, bearer(web, 'notTwo'));
  assert.equal(both.headers.get('x-gateway-provider'), 'three');
  const record = await recordOf(gateway.url, both, bearer(ops));
  assert.equal(record.policy, 'notTwo');
  assert.deepEqual(toldBy(record).slice(0, 2), ['one skipped policy_denied', 'two skipped policy_denied']);
});

test('a keyword of the last user message selects a policy, as a whole word only', async (t) => {
  const { who, ask } = await setUpParts(
    t,
    { usual: {}, coder: {} },
    {},
    { policies: { code: { keywords: ['debug', 'stack trace'], allow: ['coder/*'] } } },
  );
  for (const text of ['Please DEBUG this', 'debug', 'What says this Stack  Trace?']) {
    assert.equal(await who(text), 'coder', text);
  }
  for (const text of ['debugging is fun', 'a stack of traces', 'Hi'])
    assert.equal(await who(text), 'usual', text);
  const earlier = [
    { role: 'user', content: 'debug this' },
    { role: 'assistant', content: 'Done.' },
    { role: 'user', content: 'Thanks' },
  ];
  assert.equal(await who('', { messages: earlier }), 'usual');
  assert.equal((await ask('debug')).headers.get('x-gateway-policy'), 'code');
});

test('a price ceiling passes over what is dearer, and what has no price', async (t) => {
  const { gateway, ask } = await setUpParts(
    t,
    {
      dear: { model: { price: { input: 1, output: 20 } } },
      unknown: {},
      fair: { model: { price: { input: 1, output: 10 } } },
    },
    {},
    { policies: { thrifty: { maxPrice: { output: 10 } } } },
  );
  const record = await recordOf(gateway.url, await ask('Hi', {}, names('thrifty')));
  assert.deepEqual(toldBy(record), [
    'dear skipped price_ceiling',
    'unknown skipped price_ceiling',
    'fair sent answered',
  ]);
});

test('a policy that leaves no target is a 503 that says why, and nothing is sent', async (t) => {
  const { gateway, ask, upstreams } = await setUpParts(
    t,
    { one: {}, two: { model: { price: { output: 5 } } } },
    {},
    { policies: { none: { deny: ['one/*'], maxPrice: { output: 1 } } } },
  );
  const response = await ask('Hi', {}, names('none'));
  const record = await recordOf(gateway.url, response);
  const { status, code, message } = await errorOf(response);
  assert.deepEqual([status, code], [503, 'no_available_target']);
  assert.match(message, /policy denied, price ceiling/);
  assert.deepEqual(toldBy(record), ['one skipped policy_denied', 'two skipped price_ceiling']);
  assert.deepEqual(
    [record.outcome, record.end_reason, record.policy],
    ['rejected', 'no_available_target', 'none'],
  );
  assert.deepEqual([upstreams.one.seen.length, upstreams.two.seen.length], [0, 0]);
});

test('the strategy of a policy replaces the route’s', async (t) => {
  const { gateway, whoInTurn, ask } = await setUpParts(
    t,
    {
      one: { model: { price: { input: 9, output: 9 } } },
      two: { model: { price: { input: 1, output: 1 } } },
    },
    { strategy: 'priority' },
    { policies: { thrifty: { strategy: 'cheapest' }, fair: { strategy: 'round-robin' } } },
  );
  assert.deepEqual(await whoInTurn(2), ['one', 'one']);
  assert.deepEqual(await whoInTurn(2, 'Hi', {}, names('thrifty')), ['two', 'two']);
  assert.equal(new Set(await whoInTurn(2, 'Hi', {}, names('fair'))).size, 2);
  assert.equal((await recordOf(gateway.url, await ask('Hi', {}, names('thrifty')))).strategy, 'cheapest');
});

test('the tier of a policy is where a request starts, whatever the strategy and the score say', async (t) => {
  const { gateway, ask } = await setUpParts(
    t,
    {
      small: { model: { tier: 'local' } },
      best: { model: { tier: 'frontier' } },
    },
    { strategy: 'complexity' },
    { policies: { best: { tier: 'frontier' }, quick: { tier: 'local' } } },
  );
  for (const [policy, text, provider, tier] of [
    ['best', 'Hi', 'best', 'frontier'],
    ['quick', HARD.repeat(100), 'small', 'local'],
  ] as const) {
    const response = await ask(text, {}, names(policy));
    const header = (name: string) => response.headers.get(`x-gateway-${name}`);
    assert.deepEqual([header('provider'), header('tier'), header('policy')], [provider, tier, policy]);
    const record = await recordOf(gateway.url, response);
    assert.deepEqual([record.tier, record.policy], [tier, policy]);
  }
});

test('a policy also holds for a model that is asked for without a route', async (t) => {
  const { gateway, ask } = await setUpParts(
    t,
    { one: {}, two: {} },
    {},
    { policies: { notOne: { deny: ['one/*'] } } },
  );
  const shared = await ask('Hi', { model: 'm' }, names('notOne'));
  assert.equal(shared.headers.get('x-gateway-provider'), 'two');
  const record = await recordOf(gateway.url, shared);
  assert.deepEqual([record.policy, toldBy(record)[0]], ['notOne', 'one skipped policy_denied']);
  assert.equal((await ask('Hi', { model: 'one/m' }, names('notOne'))).status, 503);
});
