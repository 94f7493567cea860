import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import Fastify from 'fastify';
import persistence from '../../plugins/persistence.js';
import stats from '../../plugins/stats.js';
import { attempt, settled, temporaryPath, usage } from '../unit/ledger-fixture.js';

async function startApp(t: TestContext, database: 'file' | 'off' = 'file') {
  const app = Fastify();
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  const path = temporaryPath(t);
  await app.register(persistence, {
    database: database === 'off' ? false : { path, durability: 'relaxed', capture: 'none' },
  });
  await app.register(stats);
  t.after(() => app.close());
  return app;
}

test('an exchange that was just recorded is counted', async (t) => {
  const app = await startApp(t);
  app.gatewayLedger.record(
    settled({
      provider: 'groq',
      costNano: 1500,
      totalUs: 2000,
      usage: usage({ inputUncached: 7, outputText: 3 }),
      attempts: [attempt()],
    }),
  );
  app.gatewayLedger.record(
    settled({ outcome: 'failed', endReason: 'upstream_error', attempts: [attempt()] }),
  );
  const response = await app.inject('/stats');
  assert.equal(response.statusCode, 200);
  const { since, until, totals, ...rest } = response.json();
  assert.deepEqual(rest, {
    group_by: [],
    data: [],
    next_cursor: null,
    ledger: {
      status: 'ok',
      queued: 0,
      written: 2,
      dropped: 0,
      shed_successes: 0,
      shed_payloads: 0,
      unconfirmed: 0,
    },
  });
  assert.equal(Date.parse(until) - Date.parse(since), 86_400_001);
  assert.equal(totals.exchanges, 2);
  assert.equal(totals.ok, 1);
  assert.equal(totals.failed, 1);
  assert.equal(totals.attempts, 2);
  assert.equal(totals.error_rate, 0.5);
  assert.equal(totals.cost_usd, 0.0000015);
  assert.equal(totals.total_ms.mean, 1.5);
  assert.equal(totals.input_tokens, 7);
  assert.equal(totals.reasoning_tokens, null);
  assert.equal(totals.first_content_ms.p99, null);
});

test('statistics are grouped by one dimension or several', async (t) => {
  const app = await startApp(t);
  for (const model of ['a', 'b', 'b'])
    app.gatewayLedger.record(settled({ provider: 'groq', route: 'r', model }));
  const several = (await app.inject('/stats?group_by=provider,model')).json();
  assert.deepEqual(several.group_by, ['provider', 'model']);
  assert.deepEqual(
    several.data.map((group: Record<string, unknown>) => [group.provider, group.model, group.exchanges]),
    [
      ['groq', 'b', 2],
      ['groq', 'a', 1],
    ],
  );
  assert.ok(!('route' in several.data[0]));
  for (const [url, key] of [
    ['/stats/providers', 'provider'],
    ['/stats/models', 'model'],
    ['/stats/routes', 'route'],
  ]) {
    const grouped = (await app.inject(String(url))).json();
    assert.deepEqual(grouped.group_by, [key]);
    assert.deepEqual(grouped.data, (await app.inject(`/stats?group_by=${key}`)).json().data);
    assert.equal(grouped.totals.exchanges, 3);
  }
});

test('a provider that failed has a group, and the tries are counted at who was tried', async (t) => {
  const app = await startApp(t);
  const attempts = [
    attempt({ provider: 'full', decision: 'skipped', reason: 'rate_limited', status: null }),
    attempt({ number: 2, provider: 'busy', reason: 'http_429', status: 429 }),
    attempt({ number: 3, provider: 'calm' }),
  ];
  app.gatewayLedger.record(settled({ provider: 'calm', model: 'llama', route: 'demo', attempts }));
  const counted = async (url: string) =>
    (await app.inject(url))
      .json()
      .data.map((group: Record<string, unknown>) => [
        group.provider ?? group.model ?? group.route,
        group.exchanges,
        group.attempts,
        group.skipped,
        group.failed_attempts,
        group.attempt_reasons,
      ]);
  assert.deepEqual(await counted('/stats/providers'), [
    ['calm', 1, 1, 0, 0, {}],
    ['busy', 0, 1, 0, 1, { http_429: 1 }],
    ['full', 0, 0, 1, 0, { rate_limited: 1 }],
  ]);
  const together = [1, 2, 1, 1, { http_429: 1, rate_limited: 1 }];
  assert.deepEqual(await counted('/stats/models'), [['llama', ...together]]);
  assert.deepEqual(await counted('/stats/routes'), [['demo', ...together]]);
});

test('a window holds what started inside it', async (t) => {
  const app = await startApp(t);
  const startedAt = Date.UTC(2026, 4, 10, 12, 0, 0, 5);
  app.gatewayLedger.record(settled({ startedAt }));
  const counted = async (since: string | number, until: string | number) =>
    (await app.inject({ url: '/stats', query: { since: `${since}`, until: `${until}` } })).json().totals
      .exchanges;
  assert.equal(await counted('2026-05-10T12:00:00.005Z', '2026-05-10T12:00:00.006Z'), 1);
  assert.equal(await counted('2026-05-10T12:00:00.006Z', '2026-05-10T13:00:00Z'), 0);
  assert.equal(await counted('2026-05-10T11:00:00Z', startedAt), 0);
  assert.equal(await counted(startedAt, startedAt + 1), 1);
  assert.equal(await counted('2026-05-10', '2026-05-11'), 1);
});

test('exchanges are listed newest first and paged to the end', async (t) => {
  const app = await startApp(t);
  const first = settled({ startedAt: 1000, attempts: [attempt(), attempt({ number: 2 })] });
  const second = settled({ startedAt: 2000, outcome: 'aborted', endReason: 'client_gone' });
  const third = settled({ startedAt: 3000, provider: 'groq' });
  for (const exchange of [first, second, third]) app.gatewayLedger.record(exchange);
  const page = (await app.inject('/exchanges?limit=2')).json();
  assert.deepEqual(
    page.data.map(({ id }: { id: string }) => id),
    [third.id, second.id],
  );
  const rest = (await app.inject(`/exchanges?limit=2&cursor=${page.next_cursor}`)).json();
  assert.equal(rest.data.length, 1);
  assert.equal(rest.data[0].id, first.id);
  assert.equal(rest.data[0].attempts, 2);
  assert.equal(rest.data[0].started_at, '1970-01-01T00:00:01.000Z');
  assert.equal(rest.next_cursor, null);

  const ids = async (search: string) =>
    (await app.inject(`/exchanges?${search}`)).json().data.map(({ id }: { id: string }) => id);
  assert.deepEqual(await ids('outcome=aborted'), [second.id]);
  assert.deepEqual(await ids('provider=groq'), [third.id]);
  assert.deepEqual(await ids('model=none'), []);
  assert.deepEqual(await ids('since=1001&until=3000'), [second.id]);
});

test('one exchange is shown with its attempts under the names of the record', async (t) => {
  const app = await startApp(t);
  const exchange = settled({
    attempts: [attempt({ rateLimit: '{"limit":"5"}', startedUs: 1500 })],
    lagUs: 2500,
  });
  app.gatewayLedger.record(exchange);
  const response = await app.inject(`/exchanges/${exchange.id}`);
  assert.equal(response.statusCode, 200);
  const body = response.json();
  assert.deepEqual(Object.keys(body).sort(), [...KEYS, 'payloads'].sort());
  assert.deepEqual(body.attempts, [
    {
      number: 1,
      provider: 'groq',
      model: 'llama',
      decision: 'sent',
      reason: 'answered',
      status: 200,
      error: null,
      started_ms: 1.5,
      headers_ms: null,
      first_content_ms: null,
      total_ms: null,
      rate_limit: { limit: '5' },
      cost_usd: null,
    },
  ]);
  assert.equal(body.lag_ms, 2.5);
  assert.deepEqual(body.payloads, []);
  const [listed] = (await app.inject('/exchanges')).json().data;
  assert.deepEqual(Object.keys(listed).sort(), [...KEYS].sort());
});

test('an exchange that does not exist is a 404 that names it', async (t) => {
  const app = await startApp(t);
  const response = await app.inject('/exchanges/nobody');
  assert.equal(response.statusCode, 404);
  assert.match(response.json().message, /no exchange "nobody"/);
});

for (const [url, parameter] of [
  ['/exchanges?limit=NaN', 'limit'],
  ['/exchanges?limit=-1', 'limit'],
  ['/exchanges?limit=0', 'limit'],
  ['/exchanges?limit=501', 'limit'],
  ['/exchanges?limit=1.5', 'limit'],
  ['/exchanges?limit=1&limit=2', 'limit'],
  ['/exchanges?limit=', 'limit'],
  ['/exchanges?cursor=abc', 'cursor'],
  ['/exchanges?outcome=good', 'outcome'],
  ['/exchanges?since=yesterday', 'since'],
  ['/exchanges?since=2000&until=1000', 'since'],
  ['/exchanges?offset=10', 'offset'],
  ['/exchanges?__proto__=1', '__proto__'],
  ['/stats?since=soon', 'since'],
  ['/stats?until=2026-02-31', 'until'],
  ['/stats?since=1h&until=2h', 'since'],
  ['/stats?group_by=key', 'group_by'],
  ['/stats?group_by=model,,route', 'group_by'],
  ['/stats?groupby=model', 'groupby'],
  ['/stats/models?group_by=route', 'group_by'],
] as const) {
  test(`${url} is a 400 that names ${parameter}`, async (t) => {
    const app = await startApp(t);
    const response = await app.inject(url);
    assert.equal(response.statusCode, 400);
    assert.ok(response.json().message.includes(parameter), response.body);
  });
}

test('with the ledger off the routes are a 404 that says so', async (t) => {
  const app = await startApp(t, 'off');
  for (const url of ['/stats', '/stats/models', '/exchanges', '/exchanges/x', '/stats?since=junk']) {
    const response = await app.inject(url);
    assert.equal(response.statusCode, 404, url);
    assert.match(response.json().message, /ledger is off/);
  }
});

test('every route shows a caller its own records at least, and leaves none', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  const seen = new Map<string, unknown>();
  app.addHook('onRoute', ({ method, url, config }) => {
    if (method === 'GET') seen.set(url, config?.gateway);
  });
  await app.register(persistence, { database: false });
  await app.register(stats);
  await app.ready();
  const expected = { scope: 'own', record: false };
  assert.deepEqual(
    [...seen],
    ['/stats', '/stats/providers', '/stats/models', '/stats/routes', '/exchanges', '/exchanges/:id'].map(
      (url) => [url, expected],
    ),
  );
});

const KEYS =
  `id correlation_id started_at key session method endpoint streaming requested_model route strategy provider
  model response_model upstream_response_id status upstream_status outcome end_reason error_code error_message
  finish_reason input_uncached_tokens cache_read_tokens cache_write_tokens output_text_tokens reasoning_tokens
  audio_tokens input_tokens output_tokens total_tokens usage_source cost_usd provider_cost_usd price_source attempts
  queue_ms connect_ms headers_ms first_content_ms last_byte_ms commit_ms total_ms overhead_ms lag_ms bytes_in bytes_out
  chunks largest_gap_ms policy complexity tier`.split(/\s+/);
