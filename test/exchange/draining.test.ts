import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import Fastify from 'fastify';
import gateway from '../../src/index.js';
import { temporaryFolder } from '../helpers/folder.js';
import { chat, post, rawPost, readRows } from '../helpers/gateway.js';
import { chatEvents, startUpstream, withResolvers } from '../helpers/upstream.js';

test('a request that comes during the drain is refused in the words of the gateway, and recorded', async (t) => {
  const more = withResolvers();
  const upstream = await startUpstream(t, async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chatEvents.slice(0, 2).join(''));
    await more.promise;
    response.end(chatEvents.slice(2).join(''));
  });
  const database = join(temporaryFolder(), 'gateway.db');
  const app = Fastify({ return503OnClosing: false, forceCloseConnections: true });
  t.after(() => app.close());
  const providers = { main: { type: 'openai-compatible' as const, baseUrl: upstream.url } };
  await app.register(gateway, { database: { path: database }, providers });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;

  const live = await rawPost(`${url}/v1/chat/completions`, JSON.stringify({ ...chat, stream: true }))
    .response;
  const [first] = await once(live, 'data');
  const closing = app.close();
  const ready = await fetch(`${url}/ready`);
  assert.equal(ready.status, 503);
  assert.equal(((await ready.json()) as { draining: boolean }).draining, true);
  const refused = await post(`${url}/v1/chat/completions`, chat);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.equal(((await refused.json()) as { error: { code: string } }).error.code, 'shutting_down');

  more.resolve();
  let text = String(first);
  for await (const piece of live) text += piece;
  assert.ok(text.endsWith('data: [DONE]\n\n'));
  await closing;
  assert.equal(upstream.seen.length, 1);
  assert.deepEqual(readRows(database, 'SELECT status, outcome, end_reason FROM exchanges ORDER BY status'), [
    { status: 200, outcome: 'ok', end_reason: 'complete' },
    { status: 503, outcome: 'rejected', end_reason: 'shutdown' },
  ]);
});
