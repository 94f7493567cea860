import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config.js';
import { GatewayError } from '../../src/errors.js';
import { createRouter } from '../../src/routing/router.js';

const lab = { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1' };
const echo = { type: 'echo', models: { echo: {}, other: {} } };

function routerOf(options: object) {
  return createRouter(parseConfig(options, {}));
}

function refusal(act: () => unknown): GatewayError {
  try {
    act();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

test('a known name is resolved as itself, whatever the default route is', () => {
  const router = routerOf({
    providers: { echo },
    routes: { main: { targets: ['echo/echo'] } },
    defaultRoute: 'main',
  });
  const found = router.resolve('echo/other', null);
  assert.deepEqual([found.route, found.targets[0]?.model], [null, 'other']);
});

test('an unknown name leads to the default route, and says so', () => {
  const router = routerOf({
    providers: { echo },
    routes: { main: { targets: ['echo/echo'] } },
    defaultRoute: 'main',
  });
  for (const name of ['nothing', '__proto__', 'constructor']) {
    const found = router.resolve(name, null);
    assert.deepEqual([found.route, found.targets[0]?.model], ['main', 'echo']);
  }
});

test('without a default route an unknown name is a 404 on `model`', () => {
  const error = refusal(() => routerOf({ providers: { echo } }).resolve('gpt-4o', null));
  assert.deepEqual([error.statusCode, error.code, error.param], [404, 'model_not_found', 'model']);
  assert.equal(
    error.message,
    'No route, alias or model is named "gpt-4o". GET /v1/models lists what there is.',
  );
});

test('with a provider that takes any model, the caller is told how to address one', () => {
  const error = refusal(() => routerOf({ providers: { echo, lab } }).resolve('gpt-4o', null));
  assert.match(error.message, /as provider\/model, for example "lab\/gpt-4o"\.$/);
});

test('a caller that names a provider that is not there reads which ones are', () => {
  const error = refusal(() => routerOf({ providers: { echo, lab } }).resolve('nobody/gpt-4o', null));
  assert.match(error.message, /There is no provider "nobody"; there are echo, lab\.$/);
});

test('a long or hostile name is cut and escaped in the message', () => {
  const error = refusal(() => routerOf({ providers: { echo } }).resolve(`"\n${'x'.repeat(5000)}`, null));
  assert.ok(error.message.length < 250);
  assert.ok(error.message.includes(String.raw`"\"\n`));
});

test('a gateway is usable while one target is free', () => {
  const router = routerOf({ providers: { echo } });
  assert.equal(router.usable(0), true);
  router.availability.block('echo/echo', 'model_missing', 100);
  assert.equal(router.usable(0), true);
  router.availability.block('echo/other', 'rate_limited', 50);
  assert.equal(router.usable(0), false);
  assert.equal(router.usable(50), true);
});

test('a provider that takes any model is usable until it is blocked as a whole', () => {
  const router = routerOf({ providers: { lab } });
  router.availability.block('lab/some-model', 'model_missing', 100);
  assert.equal(router.usable(0), true);
  router.availability.block('lab', 'quarantined', 100);
  assert.equal(router.usable(0), false);
});
