import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import Fastify from 'fastify';
import persistence from '../../plugins/persistence.js';
import stats from '../../plugins/stats.js';
import type { ExportQuery } from '../../src/db/reports.js';
import { attempt, settled, temporaryPath, usage } from '../unit/ledger-fixture.js';

async function startApp(t: TestContext, database: 'file' | 'off' = 'file') {
  const app = Fastify();
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  const path = temporaryPath();
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
  assert.equal(response.headers['content-type'], 'application/json; charset=utf-8');
  const { since, until, totals, ...rest } = response.json();
  assert.deepEqual(rest, {
    group_by: [],
    interval_ms: null,
    times: [],
    series: null,
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
  assert.equal(Date.parse(until) - Date.parse(since), 86_460_000);
  assert.match(since, /:00\.000Z$/);
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
  assert.ok(!('series' in several.data[0]));
  for (const [url, key] of [
    ['/stats/providers', 'provider'],
    ['/stats/models', 'model'],
    ['/stats/routes', 'route'],
    ['/stats/keys', 'key'],
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

test('a window long ago is widened to whole hours, and says so', async (t) => {
  const app = await startApp(t);
  const startedAt = Date.UTC(2026, 4, 10, 12, 0, 0, 5);
  app.gatewayLedger.record(settled({ startedAt }));
  const counted = async (since: string | number, until: string | number) => {
    const query = { since: `${since}`, until: `${until}` };
    const { totals, ...window } = (await app.inject({ url: '/stats', query })).json();
    return [totals.exchanges, window.since, window.until];
  };
  const hour = ['2026-05-10T12:00:00.000Z', '2026-05-10T13:00:00.000Z'];
  assert.deepEqual(await counted('2026-05-10T12:30:00Z', '2026-05-10T12:31:00Z'), [1, ...hour]);
  assert.deepEqual(await counted(startedAt, startedAt + 1), [1, ...hour]);
  assert.equal((await counted('2026-05-10T11:00:00Z', '2026-05-10T12:00:00Z'))[0], 0);
  assert.equal((await counted('2026-05-10', '2026-05-11'))[0], 1);
});

test('a window within the last 48 hours is widened to whole minutes', async (t) => {
  const app = await startApp(t);
  const minute = Math.floor(Date.now() / 60_000) * 60_000 - 3_600_000;
  for (const startedAt of [minute - 1, minute, minute + 59_999, minute + 60_000]) {
    app.gatewayLedger.record(settled({ startedAt }));
  }
  const query = { since: `${minute + 10}`, until: `${minute + 20}` };
  const { totals, since, until } = (await app.inject({ url: '/stats', query })).json();
  assert.equal(totals.exchanges, 2);
  assert.equal(since, new Date(minute).toISOString());
  assert.equal(until, new Date(minute + 60_000).toISOString());
});

test('filters narrow totals and groups to what matches all of them', async (t) => {
  const app = await startApp(t);
  for (const fields of [
    { provider: 'groq', model: 'a', key: 'web', streaming: true },
    { provider: 'groq', model: 'b', key: 'web', outcome: 'failed', endReason: 'upstream_reset' },
    { provider: 'lab', model: 'a', key: 'ops', route: 'fast' },
  ] as const) {
    app.gatewayLedger.record(settled(fields));
  }
  const counted = async (search: string) => {
    const { totals, data } = (await app.inject(`/stats?${search}`)).json();
    return [totals.exchanges, totals.end_reasons, data.length];
  };
  assert.deepEqual(await counted('provider=groq'), [2, { upstream_reset: 1 }, 0]);
  assert.deepEqual(await counted('provider=groq&model=a&group_by=model,key'), [1, {}, 1]);
  assert.deepEqual(await counted('outcome=failed&group_by=provider'), [1, { upstream_reset: 1 }, 1]);
  assert.deepEqual(await counted('streaming=true'), [1, {}, 0]);
  assert.deepEqual(await counted('route=fast&key=web'), [0, {}, 0]);
  const grouped = (await app.inject('/stats?group_by=streaming,outcome&provider=groq')).json();
  assert.deepEqual(
    new Set(grouped.data.map((each: Record<string, unknown>) => `${each.streaming} ${each.outcome}`)),
    new Set(['true ok', 'false failed']),
  );
});

test('an interval gives a point for every span, also for those in which nothing happened', async (t) => {
  const app = await startApp(t);
  const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000;
  app.gatewayLedger.record(settled({ startedAt: hour - 3_600_000, provider: 'groq', costNano: 2e9 }));
  app.gatewayLedger.record(settled({ startedAt: hour, provider: 'lab' }));
  const query = { since: `${hour - 7_200_000}`, until: `${hour + 1}`, interval: 'hour' };
  const whole = (await app.inject({ url: '/stats', query })).json();
  assert.equal(whole.interval_ms, 3_600_000);
  assert.deepEqual(
    whole.times,
    [2, 1, 0].map((each) => new Date(hour - each * 3_600_000).toISOString()),
  );
  assert.deepEqual(whole.series.exchanges, [0, 1, 1]);
  assert.deepEqual(whole.series.cost_usd, [null, 2, null]);
  assert.deepEqual(whole.series.error_rate, [null, 0, 0]);
  assert.deepEqual(whole.series.total_ms.mean, [null, 1, 1]);
  assert.equal(whole.series.total_ms.p50[0], null);
  assert.ok(Math.abs(whole.series.total_ms.p50[1] - 1) <= 0.02);
  assert.deepEqual(whole.series.first_content_ms.p50, [null, null, null]);
  const grouped = (await app.inject({ url: '/stats/providers', query })).json();
  assert.equal(grouped.series, null);
  assert.deepEqual(
    Object.fromEntries(
      grouped.data.map((each: { provider: string; series: { ok: number[] } }) => [
        each.provider,
        each.series.ok,
      ]),
    ),
    { groq: [0, 1, 0], lab: [0, 0, 1] },
  );
});

test('a time series of too many points in all groups is a 400 that says what to do', async (t) => {
  const app = await startApp(t);
  for (let each = 0; each < 18; each += 1) app.gatewayLedger.record(settled({ provider: `p${each}` }));
  const url = '/stats?since=47h&interval=minute';
  assert.equal((await app.inject(url)).json().times.length, 47 * 60 + 1);
  const response = await app.inject(`${url}&group_by=provider`);
  assert.equal(response.statusCode, 400);
  assert.match(response.json().message, /^interval and group_by give more than 50000 points: choose/);
});

test('sessions are listed by their last exchange, with sums over what is stored', async (t) => {
  const app = await startApp(t);
  const now = Date.now();
  const ids = ['a', 'b', 'c'];
  for (const [position, session] of ids.entries()) {
    const startedAt = now - 10_000 + position * 1000;
    app.gatewayLedger.record(settled({ session, key: 'web', startedAt, attempts: [attempt()] }));
    app.gatewayLedger.record(settled({ session, key: 'web', startedAt: startedAt + 1, costNano: 5e9 }));
  }
  app.gatewayLedger.record(settled({ session: 'a', key: 'ops', startedAt: now - 20_000 }));
  const first = (await app.inject('/stats/sessions?limit=2')).json();
  const second = (await app.inject(`/stats/sessions?limit=2&cursor=${first.next_cursor}`)).json();
  assert.equal(second.next_cursor, null);
  const seen = [...first.data, ...second.data];
  assert.deepEqual(
    seen.map(({ session, key, exchanges, attempts, cost_usd }) => [
      session,
      key,
      exchanges,
      attempts,
      cost_usd,
    ]),
    [
      ['c', 'web', 2, 1, 5],
      ['b', 'web', 2, 1, 5],
      ['a', 'web', 2, 1, 5],
      ['a', 'ops', 1, 0, null],
    ],
  );
  assert.equal(seen[0].last_at, new Date(now - 7999).toISOString());
  const since = { since: `${now - 8500}` };
  assert.equal((await app.inject({ url: '/stats/sessions', query: since })).json().data.length, 1);
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
  assert.deepEqual(await ids('sort=started_at'), [first.id, second.id, third.id]);
});

test('filters of the list narrow it to what matches all of them', async (t) => {
  const app = await startApp(t);
  const fields = {
    slow: { key: 'web', session: 's', totalUs: 5_000_000, provider: 'groq', route: 'fast' },
    broken: {
      key: 'web',
      status: 502,
      outcome: 'failed',
      errorMessage: '100% Refused',
      errorCode: 'upstream_error',
    },
    said: { key: 'ops', status: 200, provider: 'groq', route: 'slow' },
  } as const;
  const names = new Map<string, string>();
  for (const [position, [name, each]] of Object.entries(fields).entries()) {
    const exchange = settled({ ...each, startedAt: Date.now() - 1000 + position });
    names.set(exchange.id, name);
    app.gatewayLedger.record(exchange);
  }
  const found = async (search: string) =>
    (await app.inject(`/exchanges?${search}`)).json().data.map(({ id }: { id: string }) => names.get(id));
  assert.deepEqual(await found('key=web&sort=started_at'), ['slow', 'broken']);
  assert.deepEqual(await found('key=web&provider=groq'), ['slow']);
  assert.deepEqual(await found('provider=groq&route=fast&key=ops'), []);
  assert.deepEqual(await found('session=s'), ['slow']);
  assert.deepEqual(await found('session=none'), []);
  assert.deepEqual(await found('status=502'), ['broken']);
  assert.deepEqual(await found('status=200'), ['said']);
  assert.deepEqual(await found('min_total_ms=5000'), ['slow']);
  assert.deepEqual(await found('min_total_ms=5001'), []);
  assert.deepEqual(await found('error=refused'), ['broken']);
  assert.deepEqual(await found('error=UPSTREAM_'), ['broken']);
  assert.deepEqual(await found('error=0%25'), ['broken']);
  assert.deepEqual(await found('error=1%25'), []);
  assert.deepEqual(await found('error=upstream%25error'), []);
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
  assert.deepEqual(Object.keys(body).sort(), [...KEYS, 'payloads', 'price'].sort());
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
  assert.deepEqual(body.payloads, { request: null, response: null, events: null });
  const [listed] = (await app.inject('/exchanges')).json().data;
  assert.deepEqual(Object.keys(listed).sort(), [...KEYS].sort());
});

test('an exchange that does not exist is a 404 that names it', async (t) => {
  const app = await startApp(t);
  const response = await app.inject('/exchanges/nobody');
  assert.equal(response.statusCode, 404);
  assert.match(response.json().message, /no exchange "nobody"/);
});

test('an exchange that was removed is gone, and stays in the statistics', async (t) => {
  const app = await startApp(t);
  const exchange = settled({ attempts: [attempt()] });
  app.gatewayLedger.record(exchange);
  const url = `/exchanges/${exchange.id}`;
  assert.equal((await app.inject({ method: 'DELETE', url })).statusCode, 204);
  assert.equal((await app.inject(url)).statusCode, 404);
  assert.deepEqual((await app.inject('/exchanges')).json().data, []);
  const again = await app.inject({ method: 'DELETE', url });
  assert.equal(again.statusCode, 404);
  assert.ok(again.json().message.includes(exchange.id));
  const { totals } = (await app.inject('/stats')).json();
  assert.deepEqual([totals.exchanges, totals.attempts], [1, 1]);
});

test('an export is every exchange that matches, as lines of JSON', async (t) => {
  const app = await startApp(t);
  const now = Date.now() - 100_000;
  for (let each = 0; each < 1203; each += 1) {
    app.gatewayLedger.record(settled({ startedAt: now + each, provider: each % 2 ? 'groq' : 'lab' }));
  }
  const response = await app.inject('/exchanges/export?provider=groq');
  assert.equal(response.headers['content-type'], 'application/x-ndjson; charset=utf-8');
  assert.equal(response.headers['content-disposition'], 'attachment; filename="exchanges.jsonl"');
  const lines = response.body.trimEnd().split('\n');
  assert.equal(lines.length, 601);
  const exported = lines.map((line) => JSON.parse(line));
  assert.equal(new Set(exported.map(({ id }) => id)).size, 601);
  assert.deepEqual(exported[0], (await app.inject('/exchanges?provider=groq&limit=1')).json().data[0]);
});

test('an export as CSV has a head line, quotes what needs it, and holds no formula', async (t) => {
  const app = await startApp(t);
  const model = '=SUM(A1,"2")';
  app.gatewayLedger.record(settled({ requestedModel: model, costNano: null, errorMessage: 'a\nb' }));
  const { body, headers } = await app.inject('/exchanges/export?format=csv');
  assert.equal(headers['content-type'], 'text/csv; charset=utf-8');
  const [head = '', ...rest] = body.split('\r\n');
  assert.deepEqual(new Set(head.split(',')), new Set(KEYS));
  const line = rest.join('\r\n');
  assert.ok(line.includes(`"'=SUM(A1,""2"")"`), line);
  assert.ok(line.includes('"a\nb"'));
  assert.ok(line.endsWith('\r\n'));
  assert.equal((await app.inject('/exchanges/export?format=csv&provider=none')).body, `${head}\r\n`);
});

test('an export whose reader has gone stops reading, and one that goes on does not hold the shutdown up', async (t) => {
  const app = await startApp(t);
  for (let each = 0; each < 5000; each += 1) {
    app.gatewayLedger.record(settled({ errorMessage: 'x'.repeat(400) }));
  }
  await app.gatewayLedger.flush();
  const { export: read } = app.gatewayStats;
  let parts = 0;
  t.mock.method(app.gatewayStats, 'export', (query: ExportQuery) => {
    parts += 1;
    return read(query);
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const open = () =>
    new Promise<IncomingMessage>((resolve, reject) => {
      get(`http://127.0.0.1:${port}/exchanges/export`, { agent: false }, resolve).on('error', reject);
    });
  const gone = await open();
  const closed = once(gone, 'close');
  gone.destroy();
  await closed;
  const slow = await open();
  const ended = once(slow, 'error');
  slow.pause();
  await app.close();
  slow.resume();
  await ended;
  assert.equal(slow.complete, false);
  assert.ok(parts < 20, `${parts} parts were read`);
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
  ['/stats?group_by=session', 'group_by'],
  ['/stats?interval=2h', 'interval'],
  ['/stats?interval=minute&since=72h', 'interval'],
  ['/stats?interval=hour&since=2000-01-01', 'interval'],
  ['/stats?streaming=yes', 'streaming'],
  ['/stats?outcome=good', 'outcome'],
  ['/stats?limit=5', 'limit'],
  ['/stats/sessions?cursor=abc', 'cursor'],
  ['/stats/sessions?limit=0', 'limit'],
  ['/exchanges?sort=cost', 'sort'],
  ['/exchanges?status=20', 'status'],
  ['/exchanges?min_total_ms=-1', 'min_total_ms'],
  [`/exchanges?error=${'x'.repeat(201)}`, 'error'],
  ['/exchanges/export?format=xml', 'format'],
  ['/exchanges/export?limit=5', 'limit'],
  ['/stats?group_by=model,,route', 'group_by'],
  ['/stats?groupby=model', 'groupby'],
  ['/stats/models?group_by=route', 'group_by'],
] as const) {
  test(`${url.slice(0, 60)} is a 400 that names ${parameter}`, async (t) => {
    const app = await startApp(t);
    const response = await app.inject(url);
    assert.equal(response.statusCode, 400);
    assert.ok(response.json().message.includes(parameter), response.body);
  });
}

test('with the ledger off the routes are a 404 that says so', async (t) => {
  const app = await startApp(t, 'off');
  for (const url of [
    '/stats',
    '/stats/models',
    '/stats/sessions',
    '/exchanges',
    '/exchanges/x',
    '/exchanges/export',
  ]) {
    const response = await app.inject(url);
    assert.equal(response.statusCode, 404, url);
    assert.match(response.json().message, /ledger is off/);
  }
});

test('every route shows a caller its own records at least, asks for admin to remove, and leaves none', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  const seen = new Map<string, unknown>();
  app.addHook('onRoute', ({ method, url, config }) => {
    const { summary, ...access } = config?.gateway ?? { summary: undefined };
    assert.ok(summary, `${method} ${url} says nothing about itself`);
    seen.set(`${method} ${url}`, access);
  });
  await app.register(persistence, { database: false });
  await app.register(stats);
  await app.ready();
  const urls = [
    ...['/stats', '/stats/providers', '/stats/models', '/stats/routes', '/stats/keys', '/stats/sessions'],
    ...['/exchanges', '/exchanges/export', '/exchanges/:id'],
  ];
  const expected = [...urls.map((url) => `GET ${url}`), 'DELETE /exchanges/:id'];
  assert.deepEqual(
    [...seen].filter(([name]) => !name.startsWith('HEAD')),
    expected.map((name) => [name, { scope: name.startsWith('DELETE') ? 'admin' : 'own', record: false }]),
  );
});

const KEYS =
  `id correlation_id started_at key session method endpoint streaming requested_model route strategy provider
  model response_model upstream_response_id status upstream_status outcome end_reason error_code error_message
  finish_reason input_uncached_tokens cache_read_tokens cache_write_tokens output_text_tokens reasoning_tokens
  audio_tokens input_tokens output_tokens total_tokens usage_source cost_usd provider_cost_usd dearest_cost_usd price_source attempts
  queue_ms connect_ms headers_ms first_content_ms last_byte_ms commit_ms total_ms overhead_ms lag_ms bytes_in bytes_out
  chunks largest_gap_ms policy complexity tier`.split(/\s+/);
