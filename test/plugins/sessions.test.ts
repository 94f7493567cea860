import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import gateway from '../../src/index.js';
import { oldDatabase } from '../ledger/old-database.js';
import { query, settled, temporaryLedger, temporaryPath, usage } from '../unit/ledger-fixture.js';

async function startApp(t: TestContext, keys: { name: string; scopes: ('read' | 'admin')[] }[] = []) {
  const path = temporaryPath();
  const app = Fastify();
  t.after(() => app.close());
  // Below no prefix and not encapsulated, so that the ledger can be reached from outside.
  await gateway(app, {
    database: { path, capture: 'all' },
    providers: { echo: { type: 'echo' } },
    keys: keys.map((key) => ({ ...key, key: `${key.name}-key-0123456789` })),
  });
  await app.ready();
  const get = async (url: string) => (await app.inject(url)).json();
  return { app, path, get };
}

const at = (minute: number) => Date.UTC(2026, 0, 1, 0, minute);
const said = (session: string, minute: number, fields = {}) =>
  settled({ session, startedAt: at(minute), usage: usage({ inputUncached: 10, outputText: 5 }), ...fields });

test('sessions are listed with their sums, the most recently used first, page by page', async (t) => {
  const { app, get } = await startApp(t);
  app.gatewayLedger.record(said('a', 1, { costNano: 1000 }));
  app.gatewayLedger.record(said('b', 2));
  app.gatewayLedger.record(said('a', 3, { costNano: 2000, outcome: 'failed', endReason: 'upstream_error' }));
  app.gatewayLedger.record(said('a', 2, { key: 'web' }));
  app.gatewayLedger.record(settled());
  const { data, next_cursor: cursor } = await get('/sessions?limit=2');
  const { input_tokens: input, output_tokens: output, total_tokens: total, ...first } = data[0];
  assert.deepEqual([input, output, total], [20, 10, 30]);
  assert.deepEqual(first, {
    id: 'a',
    key: null,
    first_at: '2026-01-01T00:01:00.000Z',
    last_at: '2026-01-01T00:03:00.000Z',
    exchanges: 2,
    errors: 1,
    input_uncached_tokens: 20,
    cache_read_tokens: null,
    cache_write_tokens: null,
    output_text_tokens: 10,
    reasoning_tokens: null,
    audio_tokens: null,
    cost_usd: 0.000003,
    provider_cost_usd: null,
  });
  const second = await get(`/sessions?limit=2&cursor=${cursor}`);
  assert.deepEqual(
    [...data, ...second.data].map(({ id, key }) => [id, key]),
    [
      ['a', null],
      ['a', 'web'],
      ['b', null],
    ],
  );
  assert.equal(second.next_cursor, null);
  assert.deepEqual((await get('/sessions?key=web')).data.length, 1);
  assert.deepEqual((await get('/sessions?key=')).data.length, 2);
});

test('a session shows its exchanges, and the same id under two keys is two sessions', async (t) => {
  const { app, get } = await startApp(t);
  const exchanges = [said('s/1', 1), said('s/1', 2), said('s/1', 3), said('s/1', 4, { key: 'web' })];
  for (const exchange of exchanges) app.gatewayLedger.record(exchange);
  const ambiguous = await app.inject('/sessions/s%2F1');
  assert.equal(ambiguous.statusCode, 400);
  assert.equal(ambiguous.json().error.param, 'key');
  const page = await get('/sessions/s%2F1?key=&limit=2');
  const rest = await get(`/sessions/s%2F1?key=&limit=2&cursor=${page.next_cursor}`);
  assert.equal(page.exchanges, 3);
  assert.deepEqual(
    [...page.data, ...rest.data].map(({ id }) => id),
    exchanges
      .slice(0, 3)
      .map(({ id }) => id)
      .reverse(),
  );
  assert.equal(rest.next_cursor, null);
  assert.deepEqual(
    (await get('/sessions/s%2F1?key=web')).data.map(({ key }: { key: string }) => key),
    ['web'],
  );
});

test('a session id may be as long as the header lets it be', async (t) => {
  const { app, get } = await startApp(t);
  const id = '%/'.repeat(64);
  app.gatewayLedger.record(said(id, 1));
  assert.equal((await get(`/sessions/${encodeURIComponent(id)}`)).id, id);
});

test('unknown sessions, parameters and cursors are errors of the caller', async (t) => {
  const { app } = await startApp(t);
  const status = async (url: string) => (await app.inject(url)).statusCode;
  assert.equal(await status('/sessions/nobody'), 404);
  assert.equal(await status('/sessions/nobody?key=web'), 404);
  for (const query of ['limit=0', 'cursor=x', 'other=1', 'key=a&key=b']) {
    assert.equal(await status(`/sessions?${query}`), 400, query);
  }
  assert.equal((await app.inject({ method: 'DELETE', url: '/sessions/nobody' })).statusCode, 404);
});

test('removing a session removes its bodies and detaches its exchanges, and no sum changes', async (t) => {
  const { app, path, get } = await startApp(t);
  const body = (text: string) => [{ kind: 'request' as const, body: Buffer.from(text) }];
  for (let count = 0; count < 50; count += 1) {
    app.gatewayLedger.record(said('mine', 1), body(`mine ${count}`));
  }
  app.gatewayLedger.record(said('mine', 1, { key: 'web' }), body('of another key'));
  app.gatewayLedger.record(said('other', 1), body('of another session'));
  const window = 'since=2026-01-01&until=2026-01-02';
  const before = (await get(`/stats?${window}`)).totals;
  const removed = await app.inject({ method: 'DELETE', url: '/sessions/mine?key=' });
  assert.deepEqual(removed.json(), { id: 'mine', key: null, exchanges_detached: 50, payloads_removed: 50 });
  assert.deepEqual((await get(`/stats?${window}`)).totals, before);
  assert.equal((await app.inject('/sessions/mine?key=')).statusCode, 404);
  const count = (sql: string) => query<{ n: number }>(path, `select count(*) as n from ${sql}`)[0]?.n;
  assert.equal(count('exchanges'), 52);
  assert.equal(count('exchanges where session is null'), 50);
  assert.equal(count('captures'), 2);
  assert.equal(count('capture_pieces'), 2);
  assert.equal((await get('/sessions')).data.length, 2);
});

test('reading sessions needs the scope read, and removing them admin', async (t) => {
  const { app } = await startApp(t, [
    { name: 'reader', scopes: ['read'] },
    { name: 'owner', scopes: ['admin'] },
  ]);
  app.gatewayLedger.record(said('a', 1));
  const status = async (name: string, method: 'GET' | 'DELETE') => {
    const headers = { authorization: `Bearer ${name}-key-0123456789` };
    return (await app.inject({ method, url: '/sessions/a', headers })).statusCode;
  };
  assert.equal(await status('owner', 'GET'), 403);
  assert.equal(await status('reader', 'DELETE'), 403);
  assert.equal(await status('reader', 'GET'), 200);
  assert.equal(await status('owner', 'DELETE'), 200);
  assert.equal((await app.inject('/sessions')).statusCode, 401);
});

test('without a ledger there are no sessions', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  await app.register(gateway, { database: false, providers: { echo: { type: 'echo' } } });
  const response = await app.inject('/sessions');
  assert.equal(response.statusCode, 404);
  assert.match(response.json().error.message, /ledger is off/);
});

test('a database from before sessions had sums gets them', async (t) => {
  const path = oldDatabase({
    migrations: 6,
    settledThen: [
      said('a', 1, { costNano: 7 }),
      said('a', 2, { outcome: 'failed' }),
      said('a', 3, { key: 'web' }),
    ],
    rollup: `insert into sessions (key, id, first_at, last_at) values
      ('', 'a', ${at(1)}, ${at(2)}), ('web', 'a', ${at(3)}, ${at(3)}), ('', 'empty', 0, 0)`,
  });
  const ledger = temporaryLedger(t, { path });
  const { data } = await ledger.sessions.list({ limit: 10, after: null });
  assert.deepEqual(
    data.map(({ id, key, exchanges, errors, input_tokens: tokens, cost_usd: cost }) => {
      return [id, key, exchanges, errors, tokens, cost];
    }),
    [
      ['a', 'web', 1, 0, 10, null],
      ['a', null, 2, 1, 20, 7e-9],
      ['empty', null, 0, 0, null, null],
    ],
  );
});
