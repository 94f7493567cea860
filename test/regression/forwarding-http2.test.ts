import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import gateway from '../../src/index.js';
import { temporaryFolder, waitForRows } from '../helpers/gateway.js';

/** What an HTTP/2 client gets of an answer that was written by hand. */
async function ask(t: TestContext, head: string) {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.end(`HTTP/1.1 200 OK\r\n${head}content-length: 2\r\n\r\n{}`, 'latin1'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const database = join(temporaryFolder(), 'gateway.db');
  const app = Fastify({ http2: true });
  const options = {
    database: { path: database },
    providers: { main: { type: 'openai-compatible', baseUrl } },
    passthroughProvider: 'main',
  };
  // biome-ignore lint/suspicious/noExplicitAny: Fastify's types keep HTTP/1 plugins from HTTP/2 servers.
  await app.register(gateway as any, options);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const session = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
  t.after(() => {
    session.destroy();
    return app.close();
  });
  const stream = session.request({ ':path': '/v1/files' });
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  let text = '';
  for await (const piece of stream) text += piece;
  const [row] = await waitForRows(database, 1);
  return { headers, text, row };
}

test('headers that HTTP/2 does not have do not break the answer', async (t) => {
  const { headers, text, row } = await ask(
    t,
    'http2-settings: x\r\nkeep-alive: timeout=5\r\nproxy-connection: x\r\nte: x\r\ncontent-type: application/json\r\n',
  );
  assert.deepEqual([headers[':status'], text, row?.outcome], [200, '{}', 'ok']);
});

test('headers that HTTP/2 has only once do not break the answer when an upstream repeats them', async (t) => {
  const once = [
    'content-type',
    'etag',
    'location',
    'tk',
    'if-match',
    'host',
    'x-content-type-options',
    'from',
  ];
  const twice = [...once, 'x-a', 'link'].map((name) => `${name}: 1\r\n${name}: 2\r\n`).join('');
  const { headers, text, row } = await ask(t, twice);
  assert.deepEqual([headers[':status'], text, row?.outcome], [200, '{}', 'ok']);
  assert.deepEqual([headers.etag, headers.tk, headers['x-a']], ['1', '1', '1, 2']);
});
