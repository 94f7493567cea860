import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type TestContext, test } from 'node:test';
import { getGlobalDispatcher } from 'undici';
import gateway from '../../src/index.js';
import { chat, post } from '../helpers/gateway.js';
import { json, sse } from '../helpers/upstream.js';
import { createHost, gatewayParts, listen } from './host.js';

/** Boots, serves an answer and a stream by inject, and closes. */
async function wholeLife(context: TestContext): Promise<void> {
  const { options, upstream } = await gatewayParts(context, json());
  const app = createHost(context);
  app.register(gateway, options);
  const url = '/ai/v1/chat/completions';
  assert.equal((await app.inject({ method: 'POST', url, payload: chat })).statusCode, 200);
  upstream.script(sse());
  const streamed = await app.inject({ method: 'POST', url, payload: { ...chat, stream: true } });
  assert.match(streamed.body, /\[DONE\]/);
  assert.equal((await app.inject({ method: 'POST', url, payload: '{' })).statusCode, 415);
  await app.close();
}

test('the gateway listens to no event of the process', async (t) => {
  const counts = () => process.eventNames().map((name) => [name, process.listenerCount(name)]);
  const before = counts();
  const { options } = await gatewayParts(t, json());
  const app = createHost(t);
  app.register(gateway, options);
  await app.ready();
  assert.deepEqual(counts(), before);
  await post(`${await listen(app)}/ai/v1/chat/completions`, chat);
  assert.deepEqual(counts(), before);
  await app.close();
  assert.deepEqual(counts(), before);
});

test('the gateway neither exits nor prints', async (t) => {
  const exit = t.mock.method(process, 'exit', () => {
    throw new Error('process.exit was called');
  });
  const methods = ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const;
  const printed = methods.map((name) => t.mock.method(console, name));
  await wholeLife(t);
  assert.deepEqual(
    [exit, ...printed].map(({ mock }) => mock.callCount()),
    [0, 0, 0, 0, 0, 0, 0],
  );
});

test("the process's global dispatcher and fetch stay what they were", async (t) => {
  const before = [getGlobalDispatcher(), globalThis.fetch, globalThis.Response];
  await wholeLife(t);
  const after = [getGlobalDispatcher(), globalThis.fetch, globalThis.Response];
  assert.ok(after.every((value, index) => value === before[index]));
});

test('the environment is read by the configuration only, and not written', async (t) => {
  const original = process.env;
  const read = new Set<string>();
  const written = new Set<string>();
  process.env = new Proxy(original, {
    get(target, name, receiver) {
      read.add(String(name));
      return Reflect.get(target, name, receiver);
    },
    set(_target, name) {
      written.add(String(name));
      return false;
    },
  });
  t.after(() => {
    process.env = original;
  });
  await wholeLife(t);
  // The provider "main" has a key in its configuration, so not even that is looked up.
  assert.deepEqual(
    [...read].filter((name) => !isPlatform(name)),
    ['LLM_GATEWAY_KEY_SECRET'],
  );
  assert.deepEqual([...written], []);
});

/** What Node itself and its own dependencies ask for. */
function isPlatform(name: string): boolean {
  return name.startsWith('NODE_');
}

test('nothing is connected, and nothing listens, at boot', async (t) => {
  const { options, upstream } = await gatewayParts(t, json());
  const opened: unknown[] = [];
  const onSocket = (message: unknown) => opened.push(message);
  subscribe('net.client.socket', onSocket);
  t.after(() => unsubscribe('net.client.socket', onSocket));
  const app = createHost(t);
  app.register(gateway, options);
  await app.ready();
  await app.inject('/ai/v1/models');
  await app.inject('/ai/ready');
  assert.deepEqual([opened.length, upstream.sockets.size, app.server.listening], [0, 0, false]);
  await app.inject({ method: 'POST', url: '/ai/v1/chat/completions', payload: chat });
  assert.deepEqual([opened.length, upstream.seen.length], [1, 1]);
});
