import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { chat, rawPost, startGateway } from '../helpers/gateway.js';
import {
  chatEvents,
  chunk,
  json,
  roleChunk,
  type Script,
  sse,
  startUpstream,
  usageChunk,
  withResolvers,
} from '../helpers/upstream.js';

/** Refuses `stream_options`, and says so in two pieces; `said` resolves when the first one is out. */
function refusing(said: () => void, rest: Promise<void>): Script {
  return async (response, seen) => {
    if (!String(seen.body).includes('stream_options')) {
      sse()(response, seen, response.req);
      return;
    }
    response.writeHead(400, { 'content-type': 'application/json' });
    response.write('{"error":{"message":"unknown field stream_options"', said);
    await rest;
    response.end('}}');
  };
}

for (const disconnect of ['abort', 'drain'] as const) {
  test(`under ${disconnect} an upstream is not asked again when nobody waits`, async (t) => {
    const said = withResolvers();
    const left = withResolvers();
    const upstream = await startUpstream(t, refusing(said.resolve, left.promise));
    const gateway = await startGateway(t, {
      providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
      disconnect,
    });
    const body = JSON.stringify({ ...chat, stream: true });
    const { outgoing } = rawPost(`${gateway.url}/v1/chat/completions`, body);
    await said.promise;
    // The gateway has read what was said once another request that came later is answered.
    await (await fetch(`${gateway.url}/health`)).text();
    outgoing.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    left.resolve();
    const [row] = await gateway.exchanges(1);
    assert.deepEqual([row?.outcome, row?.end_reason], ['aborted', 'client_gone']);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(upstream.seen.length, 1);
    assert.equal(gateway.attempts().length, 1);
  });
}

test('nothing is passed through for a client that left while a hook of the host was busy', async (t) => {
  const reached = withResolvers();
  const left = withResolvers();
  const upstream = await startUpstream(t, json());
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    passthroughProvider: 'main',
    host: (app) =>
      app.addHook('preHandler', async ({ url, raw }) => {
        if (!url.includes('/v1/')) return;
        raw.socket.once('close', left.resolve);
        reached.resolve();
        await left.promise;
      }),
  });
  const { port, hostname } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  socket.write('GET /ai/v1/files HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await reached.promise;
  socket.destroy();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.status, row?.outcome, row?.end_reason], [null, 'aborted', 'client_gone']);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(upstream.seen.length, 0);
  assert.deepEqual(gateway.attempts(), []);
});

test('a drain that began before the first content is not cut off by the time for the first content', async (t) => {
  const reached = withResolvers();
  const left = withResolvers();
  const upstream = await startUpstream(t, async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(roleChunk);
    reached.resolve();
    await left.promise;
    for (const word of ['one', 'two', 'three', 'four', 'five', 'six']) {
      response.write(chunk({ content: word }));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    response.end(chunk({}, 'stop') + usageChunk + chatEvents.at(-1));
  });
  const timeouts = { firstByte: '400ms' };
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url, timeouts } },
    disconnect: 'drain',
  });
  const body = JSON.stringify({ ...chat, stream: true });
  const { outgoing } = rawPost(`${gateway.url}/v1/chat/completions`, body);
  await reached.promise;
  outgoing.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  left.resolve();
  const [row] = await gateway.exchanges(1);
  assert.deepEqual([row?.outcome, row?.usage_source, row?.finish_reason], ['aborted', 'reported', 'stop']);
});

test('an answer that waits for an earlier one on its connection is not given up', async (t) => {
  const go = withResolvers();
  let count = 0;
  const upstream = await startUpstream(t, async (response, seen, request) => {
    if (++count === 1) await go.promise;
    json()(response, seen, request);
  });
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    passthroughProvider: 'main',
    clientTimeout: 200,
  });
  const { port, hostname } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  const request = 'GET /ai/v1/files HTTP/1.1\r\nhost: localhost\r\n\r\n';
  socket.write(request + request.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
  setTimeout(go.resolve, 700);
  let text = '';
  for await (const piece of socket) text += piece;
  assert.equal(text.split('HTTP/1.1 200').length, 3, text);
  const rows = await gateway.exchanges(2);
  assert.deepEqual(
    rows.map((row) => row.outcome),
    ['ok', 'ok'],
  );
});

/** Files of uploads that this process has open; they have no names any more. */
function openUploads(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return (
        readlinkSync(`/proc/self/fd/${fd}`).includes('llm-gateway-') &&
        readlinkSync(`/proc/self/fd/${fd}`).includes('(deleted)')
      );
    } catch {
      return false;
    }
  }).length;
}

test('no file stays open when clients leave at the end of their uploads', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const upstream = await startUpstream(t, () => {});
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
  });
  const head =
    '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nmain/whisper\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n';
  const body = Buffer.concat([Buffer.from(head), Buffer.alloc(600_000, 'x'), Buffer.from('\r\n--b--\r\n')]);
  const before = openUploads();
  const count = 60;
  for (let index = 0; index < count; index++) {
    const outgoing = httpRequest(`${gateway.url}/v1/audio/transcriptions`, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'multipart/form-data; boundary=b', 'content-length': body.length },
    });
    outgoing.on('error', () => {});
    outgoing.end(body, () => {
      if (index % 3 === 0) outgoing.destroy();
      else setTimeout(() => outgoing.destroy(), index % 3);
    });
    await new Promise((resolve) => outgoing.once('close', resolve));
  }
  const rows = await gateway.exchanges(count);
  assert.deepEqual(new Set(rows.map((row) => row.outcome)), new Set(['aborted']));
  for (let tries = 0; openUploads() > before && tries < 100; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(openUploads(), before);
});
