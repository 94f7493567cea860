import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import persistence from '../../plugins/persistence.js';
import { query, settled, temporaryPath } from '../unit/ledger-fixture.js';

const relaxed = { durability: 'relaxed', capture: 'none' } as const;

test('closing the server writes what was recorded', async () => {
  const path = temporaryPath();
  const app = Fastify();
  await app.register(persistence, { database: { path, ...relaxed } });
  assert.equal(app.gatewayLedger.path, path);
  app.gatewayLedger.record(settled());
  await app.close();
  assert.equal(query(path, 'select * from exchanges').length, 1);
});

test('what other plugins record while they close is written too', async () => {
  const path = temporaryPath();
  const app = Fastify();
  await app.register(persistence, { database: { path, ...relaxed } });
  app.addHook('onClose', async () => app.gatewayLedger.record(settled()));
  await app.close();
  assert.equal(query(path, 'select * from exchanges').length, 1);
});

test('database: false keeps nothing', async () => {
  const app = Fastify();
  await app.register(persistence, { database: false });
  assert.equal(app.gatewayLedger.health().status, 'off');
  await app.close();
});

test('a database that cannot be opened fails the start with its path', async () => {
  const app = Fastify();
  app.register(persistence, { database: { path: '/dev/null/gateway.db', ...relaxed } });
  await assert.rejects(async () => app.ready(), {
    code: 'LLM_GATEWAY_DATABASE',
    message: /\/dev\/null\/gateway\.db/,
  });
});
