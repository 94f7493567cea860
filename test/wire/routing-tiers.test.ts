import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completion, failing, json } from '../helpers/upstream.js';
import { answered, errorOf, HARD, MIDDLING, recordOf, setUpParts, toldBy } from './strategy-fixture.js';

const local = { model: { tier: 'local' } } as const;
const standard = { model: { tier: 'standard' } } as const;
const frontier = { model: { tier: 'frontier' } } as const;
const complexity = { strategy: 'complexity' } as const;

/** Without a doubt hard: words that ask for thought, and much to read. */
const HARDEST = `${HARD}\n${'More to think about. '.repeat(400)}`;

test('when the target of its tier fails, a request goes to the next higher tier', async (t) => {
  const { gateway, ask } = await setUpParts(
    t,
    { frontier, local: { ...local, script: failing(500, 'down') }, standard },
    complexity,
  );
  const response = await ask('Hello');
  assert.deepEqual(
    [response.headers.get('x-gateway-provider'), response.headers.get('x-gateway-tier')],
    ['standard', 'local'],
  );
  assert.deepEqual(toldBy(await recordOf(gateway.url, response)), [
    'local sent http_500',
    'standard sent answered',
  ]);
});

test('a tier without a usable target is passed over without a request', async (t) => {
  const { gateway, ask, upstreams } = await setUpParts(
    t,
    { local: { ...local, script: failing(429, 'later', { 'retry-after': '60' }) }, standard, frontier },
    complexity,
  );
  await ask('Hello');
  const response = await ask('Hello');
  assert.equal(response.headers.get('x-gateway-provider'), 'standard');
  assert.deepEqual(toldBy(await recordOf(gateway.url, response)), [
    'local skipped rate_limited',
    'standard sent answered',
  ]);
  assert.equal(upstreams.local.seen.length, 1);
});

test('nothing goes down to a lower tier, even when the higher one fails', async (t) => {
  const { gateway, ask, upstreams } = await setUpParts(
    t,
    { local, standard, frontier: { ...frontier, script: failing(500, 'down') } },
    complexity,
  );
  const response = await ask(HARDEST);
  const record = await recordOf(gateway.url, response);
  assert.deepEqual([response.status, record.tier], [500, 'frontier']);
  assert.deepEqual(toldBy(record), [
    'local skipped tier_too_low',
    'standard skipped tier_too_low',
    'frontier sent http_500',
  ]);
  assert.deepEqual([upstreams.local.seen.length, upstreams.standard.seen.length], [0, 0]);
});

test('a route without the tier or a higher one gives the request to its highest', async (t) => {
  const { ask } = await setUpParts(t, { local, standard }, complexity);
  const response = await ask(HARDEST);
  assert.deepEqual(
    [response.headers.get('x-gateway-provider'), response.headers.get('x-gateway-tier')],
    ['standard', 'standard'],
  );
});

test('a request that the gateway cannot judge goes a tier higher', async (t) => {
  const { ask } = await setUpParts(t, { local, standard, frontier }, complexity);
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
  const messages = [{ role: 'user', content: [{ type: 'text', text: 'Hello' }, image] }];
  assert.equal((await ask('', { messages })).headers.get('x-gateway-provider'), 'standard');
  assert.equal((await ask('Привет, как дела?')).headers.get('x-gateway-provider'), 'standard');
});

test('the thresholds of a route decide what is hard', async (t) => {
  const { ask } = await setUpParts(
    t,
    { local, standard, frontier },
    { ...complexity, complexity: { standard: 0.1, frontier: 0.3 } },
  );
  assert.equal((await ask(MIDDLING)).headers.get('x-gateway-tier'), 'frontier');
});

test('a question that is too long for a target is not sent there, and the record says so', async (t) => {
  const { gateway, ask, upstreams } = await setUpParts(
    t,
    { small: { model: { context: 1000 } }, large: { model: { context: 100_000 } } },
    {},
  );
  const response = await ask('word '.repeat(2000));
  assert.deepEqual(toldBy(await recordOf(gateway.url, response)), [
    'small skipped context_too_small',
    'large sent answered',
  ]);
  assert.equal(upstreams.small.seen.length, 0);
  assert.equal((await ask('word')).headers.get('x-gateway-provider'), 'small');
});

test('a question that no target can hold is a 400 of its own, and nothing is sent', async (t) => {
  const { gateway, ask, upstreams } = await setUpParts(
    t,
    { small: { model: { context: 1000 } }, smaller: { model: { context: 500 } } },
    { queue: { maxWait: '30s' } },
  );
  const response = await ask('word '.repeat(2000));
  const record = await recordOf(gateway.url, response);
  const { status, code, param } = await errorOf(response);
  assert.deepEqual([status, code, param], [400, 'context_length_exceeded', 'messages']);
  assert.deepEqual(toldBy(record), ['small skipped context_too_small', 'smaller skipped context_too_small']);
  assert.equal(record.outcome, 'rejected');
  assert.deepEqual([upstreams.small.seen.length, upstreams.smaller.seen.length], [0, 0]);
});

test('a provider’s own context error moves the request to a larger target, not to one as small', async (t) => {
  const tooLong = json(
    { error: { message: 'Too long', type: 'invalid_request_error', code: 'context_length_exceeded' } },
    400,
  );
  const { gateway, ask, upstreams } = await setUpParts(
    t,
    {
      first: { model: { context: 8000 }, script: tooLong },
      same: { model: { context: 8000 } },
      unknown: {},
      larger: { model: { context: 16_000 }, script: answered() },
    },
    {},
  );
  const response = await ask('Hi');
  assert.equal(response.status, 200);
  assert.equal(((await response.json()) as { id: string }).id, completion.id);
  assert.deepEqual(toldBy(await recordOf(gateway.url, response)), [
    'first sent http_400',
    'same skipped context_too_small',
    'unknown skipped context_too_small',
    'larger sent answered',
  ]);
  assert.deepEqual([upstreams.same.seen.length, upstreams.unknown.seen.length], [0, 0]);
});

test('a context error of the largest target is passed on as it is', async (t) => {
  const message = "This model's maximum context length is 8000 tokens.";
  const tooLong = json({ error: { message, type: 'x', code: 'context_length_exceeded' } }, 400);
  const { ask, upstreams } = await setUpParts(
    t,
    { small: { model: { context: 4000 } }, large: { model: { context: 8000 }, script: tooLong } },
    { strategy: 'cheapest' },
    { policies: { large: { deny: ['small/*'] } } },
  );
  const error = await errorOf(await ask('Hi', {}, { 'x-gateway-policy': 'large' }));
  assert.deepEqual([error.status, error.code, error.message], [400, 'context_length_exceeded', message]);
  assert.equal(upstreams.large.seen.length, 1);
});
