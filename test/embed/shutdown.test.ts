import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import gateway from '../../src/index.js';
import { chat, post, rawPost, readRows, temporaryFolder } from '../helpers/gateway.js';
import {
  chatEvents,
  completion,
  json,
  type Script,
  sse,
  startUpstream,
  withResolvers,
} from '../helpers/upstream.js';
import { complete, createHost, ending, gatewayParts, listen } from './host.js';

/** Generous for a loaded machine, and less than any keep-alive that would hold a process. */
const EXIT_MS = 3_000;

/** Runs the host app in a process of its own. Resolves when that has ended by itself. */
async function runHost(context: TestContext, upstreamUrl: string, database: string) {
  const script = fileURLToPath(new URL('one-stream.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, upstreamUrl, database]);
  context.after(() => child.kill('SIGKILL'));
  let closedAt = 0;
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    closedAt = performance.now();
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, 'close', { signal: AbortSignal.timeout(30_000) });
  return { code, stdout, stderr, lingeredMs: performance.now() - closedAt };
}

test('after close() the process exits by itself, prints nothing, and the record is in the database', async (t) => {
  const upstream = await startUpstream(t, sse());
  const database = join(temporaryFolder(), 'gateway.db');
  const { code, stdout, stderr, lingeredMs } = await runHost(t, upstream.url, database);
  assert.deepEqual([code, stderr], [0, '']);
  const [line = '', ...more] = stdout.split('\n');
  assert.deepEqual(more, ['']);
  const seen = JSON.parse(line) as { status: number; text: string; untouched: boolean; foreign: boolean };
  assert.equal(seen.status, 200);
  assert.ok(seen.text.endsWith('data: [DONE]\n\n'));
  assert.deepEqual(
    { untouched: seen.untouched, foreign: seen.foreign },
    { untouched: true, foreign: false },
    "undici's agent is behind the host's fetch",
  );
  assert.ok(lingeredMs < EXIT_MS, `it took ${lingeredMs} ms after close()`);
  assert.deepEqual(readRows(database, 'SELECT * FROM exchanges').map(ending), [complete]);
});

test('close() drains a live stream of every gateway, and flushes every ledger', async (t) => {
  const more = withResolvers();
  const held: Script = async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chatEvents.slice(0, 2).join(''));
    await more.promise;
    response.end(chatEvents.slice(2).join(''));
  };
  const left = await gatewayParts(t, held);
  const right = await gatewayParts(t, held);
  const app = createHost(t);
  app.register(gateway, { ...left.options, prefix: '/left' });
  app.register(gateway, { ...right.options, prefix: '/right' });
  const base = await listen(app);
  const body = JSON.stringify({ ...chat, stream: true });
  const answers = await Promise.all(
    ['left', 'right'].map(async (side) => {
      const incoming = await rawPost(`${base}/${side}/v1/chat/completions`, body).response;
      const [first] = await once(incoming, 'data');
      return { incoming, text: String(first) };
    }),
  );
  const closing = app.close();
  more.resolve();
  for (const { incoming, text } of answers) {
    let whole = text;
    for await (const piece of incoming) whole += piece;
    assert.ok(whole.endsWith('data: [DONE]\n\n'));
  }
  await closing;
  for (const { options } of [left, right]) {
    const rows = readRows(options.database.path, 'SELECT * FROM exchanges');
    assert.deepEqual(rows.map(ending), [complete]);
  }
});

test("close() runs the host's own onClose hooks, and leaves no connection to a provider", async (t) => {
  // Otherwise undici would close an idle connection by itself, after four seconds.
  const { options, upstream } = await gatewayParts(t, json(completion, 200, { 'keep-alive': 'timeout=60' }));
  const app = createHost(t);
  app.register(gateway, options);
  let closed = false;
  app.addHook('onClose', async () => {
    closed = true;
  });
  const base = await listen(app);
  assert.equal((await post(`${base}/ai/v1/chat/completions`, chat)).status, 200);
  const [socket, ...others] = upstream.sockets;
  assert.ok(socket);
  assert.deepEqual(others, []);
  const gone = once(socket, 'close', { signal: AbortSignal.timeout(EXIT_MS) });
  await app.close();
  await gone;
  assert.equal(closed, true);
  assert.deepEqual(readRows(options.database.path, 'SELECT * FROM exchanges').map(ending), [complete]);
});
