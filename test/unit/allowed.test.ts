import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GatewayOptions, parseConfig } from '../../src/config.js';
import { allowedOf } from '../../src/routing/allowed.js';
import { createPolicies } from '../../src/routing/policies.js';
import { createRouter } from '../../src/routing/router.js';
import { facts } from './routing-fixture.js';

const options: GatewayOptions = {
  providers: {
    one: { type: 'ollama', models: { shared: {}, small: { alias: 'tiny' } } },
    two: { type: 'ollama', models: { shared: {}, large: {} } },
  },
  routes: { fast: { targets: ['one/small'] }, slow: { targets: ['two/large'] } },
  policies: { strict: { deny: ['*'] } },
};
const config = parseConfig(options, {});
const router = createRouter(config);

const used = (
  name: string,
  key: { routes?: string[]; models?: string[] },
  provider: string | null = null,
) => {
  const allowed = allowedOf({ routes: key.routes ?? null, models: key.models ?? null });
  try {
    return router.resolve(name, allowed, provider).targets.map(({ id }) => id);
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
};
const no = 'insufficient_permissions';

test('a key without routes or models is bound to nothing', () => {
  assert.equal(allowedOf({ routes: null, models: null }), null);
  assert.deepEqual(used('two/large', {}), ['two/large']);
});

test('routes go by their name, and targets by patterns, however they are asked for', () => {
  const key = { routes: ['fast'], models: ['one/*'] };
  assert.deepEqual(used('fast', key), ['one/small']);
  assert.equal(used('slow', key), no);
  assert.deepEqual(used('one/small', key), ['one/small']);
  assert.deepEqual(used('tiny', key), ['one/small']);
  assert.deepEqual(used('shared', key), ['one/shared'], 'only the targets it may use are left');
  assert.deepEqual(used('shared', key, 'one'), ['one/shared']);
  assert.equal(used('shared', key, 'two'), no);
  assert.equal(used('large', key, 'two'), no);
  assert.equal(used('two/large', key), no);
});

test('one of the two by itself allows nothing of the other', () => {
  assert.equal(used('fast', { models: ['*'] }), no);
  assert.deepEqual(used('two/large', { models: ['*'] }), ['two/large']);
  assert.equal(used('one/small', { routes: ['fast'] }), no);
  assert.equal(used('nothing', { models: ['*'] }), no, 'what does not exist is not told apart');
});

test('a caller sees what it may use', () => {
  const seen = (key: { routes?: string[]; models?: string[] }) =>
    router.models(allowedOf({ routes: key.routes ?? null, models: key.models ?? null })).map(({ id }) => id);
  assert.deepEqual(seen({ routes: ['fast'], models: ['two/*'] }), ['fast', 'two/shared', 'two/large']);
  assert.deepEqual(seen({ models: ['one/small'] }), ['tiny', 'one/small']);
});

test('a stored key whose policy is gone may do nothing, rather than anything', () => {
  const { resolve } = createPolicies(config);
  assert.equal(resolve(facts('Hello', { keyPolicy: 'strict' }))?.name, 'strict');
  assert.throws(() => resolve(facts('Hello', { keyPolicy: 'gone' })), { code: no });
});
