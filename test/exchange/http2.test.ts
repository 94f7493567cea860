import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import Fastify from 'fastify';
import gateway from '../../src/index.js';
import { temporaryFolder } from '../helpers/folder.js';
import { chat, readRows } from '../helpers/gateway.js';
import { sse, startUpstream } from '../helpers/upstream.js';

test('a stream over HTTP/2 is relayed and recorded', async (t) => {
  const upstream = await startUpstream(t, sse());
  const database = join(temporaryFolder(), 'gateway.db');
  const app = Fastify({ http2: true });
  t.after(() => app.close());
  const providers = { main: { type: 'openai-compatible' as const, baseUrl: upstream.url } };
  // biome-ignore lint/suspicious/noExplicitAny: Fastify's types keep HTTP/1 plugins from HTTP/2 servers.
  await app.register(gateway as any, { prefix: '/ai', database: { path: database }, providers });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;

  const session = connect(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/ai/v1/chat/completions',
    'content-type': 'application/json',
  });
  stream.end(JSON.stringify({ ...chat, stream: true }));
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 200);
  let text = '';
  for await (const piece of stream) text += piece;
  assert.ok(text.endsWith('data: [DONE]\n\n'));
  session.close();
  await app.close();
  const rows = readRows(database, 'SELECT outcome, status FROM exchanges');
  assert.deepEqual(rows, [{ outcome: 'ok', status: 200 }]);
});
