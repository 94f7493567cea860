import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import routing from '../../plugins/routing.js';
import { parseConfig } from '../../src/config.js';

const config = parseConfig(
  { providers: { echo: { type: 'echo' } }, routes: { main: { targets: ['echo/echo'] } } },
  {},
);

test('routing needs nothing else to resolve a model', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  await app.register(routing, config);
  await app.ready();
  assert.deepEqual(
    app.gatewayRouter.resolve('main', null).targets.map((target) => target.id),
    ['echo/echo'],
  );
  assert.throws(() => app.gatewayRouter.resolve('nothing', null), { code: 'model_not_found' });
});

test('two scopes have routers of their own', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  const usable: boolean[] = [];
  const scope = (block: boolean) =>
    app.register(async (child) => {
      await child.register(routing, config);
      if (block) child.gatewayRouter.availability.block('echo', 'quarantined', Number.MAX_VALUE);
      child.addHook('onReady', async () => {
        usable.push(child.gatewayRouter.usable(Date.now()));
      });
    });
  scope(true);
  scope(false);
  await app.ready();
  assert.deepEqual(usable, [false, true]);
  assert.equal(app.hasDecorator('gatewayRouter'), false);
});
