// own process: what is loaded is of the whole process.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { errors, Pool, util, wholeUndici } from '../../src/upstream/undici.js';

const { cache } = createRequire(import.meta.url);
const isLoaded = (file: string) => Object.keys(cache).some((path) => path.endsWith(`/undici/${file}`));
const GLOBAL_AGENT = Symbol.for('undici.globalDispatcher.1');

test('of undici only what is needed is loaded', () => {
  assert.equal(isLoaded('lib/dispatcher/pool.js'), true);
  assert.equal(isLoaded('index.js'), false);
  assert.equal(GLOBAL_AGENT in globalThis, false);
});

test('the parts are those of the package, which leaves the global fetch its own agent', () => {
  const whole = wholeUndici();
  assert.equal(Pool, whole.Pool);
  assert.equal(errors.RequestAbortedError, whole.errors.RequestAbortedError);
  assert.deepEqual(util.parseHeaders([Buffer.from('A'), Buffer.from('b')]), { a: 'b' });
  const agent: unknown = Reflect.get(globalThis, GLOBAL_AGENT);
  assert.equal(typeof agent, 'object');
  assert.equal(agent instanceof whole.Agent, false);
});
