import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import exchange from '../../plugins/exchange.js';
import health from '../../plugins/health.js';
import routing from '../../plugins/routing.js';
import { parseConfig } from '../../src/config.js';
import { type LedgerHealth, noLedger } from '../../src/db/ledger.js';

const config = parseConfig({ providers: { echo: { type: 'echo' } } }, {});

async function setUp(t: TestContext, ledger: Partial<LedgerHealth> = {}) {
  const app = Fastify();
  t.after(() => app.close());
  const state = { ...noLedger().health(), status: 'ok' as const, ...ledger };
  app.decorate('gatewayLedger', { ...noLedger(), health: () => state });
  await app.register(exchange, config);
  await app.register(routing, config);
  await app.register(health);
  await app.ready();
  return app;
}

test('a healthy gateway is alive and ready', async (t) => {
  const app = await setUp(t, {
    queued: 1,
    written: 2,
    dropped: 6,
    shedSuccesses: 3,
    shedPayloads: 4,
    unconfirmed: 5,
  });
  const alive = await app.inject('/health');
  assert.equal(alive.statusCode, 200);
  assert.deepEqual(alive.json(), {
    status: 'ok',
    in_flight: 0,
    ledger: {
      status: 'ok',
      queued: 1,
      written: 2,
      dropped: 6,
      shed_successes: 3,
      shed_payloads: 4,
      unconfirmed: 5,
    },
  });
  const ready = await app.inject('/ready');
  assert.equal(ready.statusCode, 200);
  assert.deepEqual(ready.json(), { status: 'ready', database: true, target: true, draining: false });
});

test('a gateway without a ledger is healthy', async (t) => {
  const app = await setUp(t);
  assert.equal((await app.inject('/health')).json().status, 'ok');
  assert.equal((await app.inject('/ready')).statusCode, 200);
});

test('a broken ledger is told, its error is not, and the process stays alive', async (t) => {
  const app = await setUp(t, { status: 'degraded', error: 'disk I/O error at /secret/path' });
  const alive = await app.inject('/health');
  assert.equal(alive.statusCode, 200);
  assert.equal(alive.json().status, 'degraded');
  assert.ok(!alive.body.includes('secret'));
  const ready = await app.inject('/ready');
  assert.equal(ready.statusCode, 503);
  assert.deepEqual(ready.json(), { status: 'not_ready', database: false, target: true, draining: false });
});

test('with every target blocked the gateway is alive, but not ready', async (t) => {
  const app = await setUp(t);
  app.gatewayRouter.availability.block('echo', 'quarantined', Date.now() + 60_000);
  assert.equal((await app.inject('/health')).statusCode, 200);
  const ready = await app.inject('/ready');
  assert.equal(ready.statusCode, 503);
  assert.deepEqual(ready.json(), { status: 'not_ready', database: true, target: false, draining: false });
});

test('the exchanges in flight are counted', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  app.decorate('gatewayLedger', noLedger());
  await app.register(exchange, config);
  await app.register(routing, config);
  await app.register(health);
  let during: unknown = null;
  app.get('/work', { config: { gateway: { scope: 'none', record: true } } }, async () => {
    during = (await app.inject('/health')).json().in_flight;
    return 'done';
  });
  await app.inject('/work');
  assert.equal(during, 1);
  assert.equal((await app.inject('/health')).json().in_flight, 0);
});

test('without exchanges the start fails, and says what is missing', async () => {
  const app = Fastify();
  app.decorate('gatewayLedger', noLedger());
  app.register(health);
  await assert.rejects(async () => app.ready(), {
    code: 'FST_ERR_PLUGIN_NOT_PRESENT_IN_INSTANCE',
    message: /'gatewayExchanges' required by 'gateway-health'/,
  });
});

test('a gateway without a ledger by choice is ready', async (t) => {
  const app = await setUp(t, { status: 'off' });
  const ready = await app.inject('/ready');
  assert.equal(ready.statusCode, 200);
  assert.deepEqual(ready.json(), { status: 'ready', database: null, target: true, draining: false });
});
