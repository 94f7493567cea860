import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { chat, startGateway } from '../helpers/gateway.js';
import { chatEvents, chunk, done, type Script, startUpstream } from '../helpers/upstream.js';

/** What Nagle's algorithm waits for is an acknowledgement that the other side may delay by 40 ms. */
const STALL_MS = 35;
const PIECES = 150;
const STREAMS = 5;
/** The kernel delays acknowledgements only where requests and answers have been taking turns. */
const TURNS = 20;

async function startGatewayFor(t: TestContext, baseUrl: string) {
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl } },
    passthroughProvider: 'main',
  });
  return { gateway, url: `${gateway.url}/v1` };
}

async function setUp(t: TestContext, script: Script) {
  const upstream = await startUpstream(t, script);
  return startGatewayFor(t, upstream.url);
}

/** Sends small requests in turn with their answers, then one for a stream; collects what each read of that brings. */
async function rawStream(t: TestContext, url: string, turns: number) {
  const { hostname, port, pathname } = new URL(`${url}/chat/completions`);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  const reads: string[] = [];
  socket.setEncoding('latin1').on('data', (text: string) => reads.push(text));
  for (let turn = 0; turn < turns; turn++) {
    socket.write(
      `GET ${pathname.replace('chat/completions', 'models')} HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`,
    );
    await once(socket, 'data');
  }
  reads.length = 0;
  const body = JSON.stringify({ ...chat, stream: true });
  const head = `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  socket.write(`${head}\r\n\r\n${body}`);
  await once(socket, 'data');
  assert.match(reads[0] ?? '', /^HTTP\/1\.1 200 /);
  return { socket, reads };
}

/** The median of some numbers: one that another process delayed does not count. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

test('the headers of a stream and its first content are one write, and arrive in one read', async (t) => {
  const { gateway, url } = await setUp(t, (response) => {
    t.after(() => response.end());
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chatEvents[0]);
    // The first content comes alone, and nothing after it: whatever is written is there because of it.
    setImmediate(() => response.write(chatEvents[1]));
  });
  const writes: (() => number)[] = [];
  gateway.app.server.on('connection', (socket: Socket & Required<Pick<Socket, '_writev'>>) => {
    // Each call of one of these is one call of the system.
    const one = t.mock.method(socket, '_write');
    const several = t.mock.method(socket, '_writev');
    writes.push(() => one.mock.callCount() + several.mock.callCount());
  });
  for (let times = 0; times < 10; times++) {
    const { reads } = await rawStream(t, url, 0);
    assert.match(
      reads[0] ?? '',
      /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n[0-9a-f]+\r\n.*"content":"Hello".*\n\n\r\n$/s,
    );
    assert.equal(reads.length, 1);
  }
  assert.deepEqual(
    writes.map((count) => count()),
    Array(10).fill(1),
  );
});

/** Notes when pieces were sent and when they arrived, each of which ends with a tilde. */
function stopwatch() {
  const sent: number[] = [];
  const arrived: number[] = [];
  return {
    sent: () => sent.push(performance.now()),
    read(text: string): void {
      for (const _ of text.matchAll(/~/g)) arrived.push(performance.now());
    },
    /** How long the slowest piece was on its way, in milliseconds. */
    slowest(): number {
      assert.equal(arrived.length, sent.length);
      return Math.max(...sent.map((at, index) => (arrived[index] ?? Number.NaN) - at));
    },
  };
}

test('small events that come one by one are passed on one by one, without a stall', async (t) => {
  let watch = stopwatch();
  const { url } = await setUp(t, async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let index = 0; index < PIECES; index++) {
      watch.sent();
      response.write(chunk({ content: '~' }));
      await pause(1);
    }
    response.end(chunk({}, 'stop') + done);
  });
  const slowest: number[] = [];
  for (let stream = 0; stream < STREAMS; stream++) {
    watch = stopwatch();
    const { socket, reads } = await rawStream(t, url, TURNS);
    for (const text of reads) watch.read(text);
    socket.on('data', watch.read);
    while (!reads.join('').endsWith('0\r\n\r\n')) await once(socket, 'data');
    slowest.push(watch.slowest());
  }
  assert.ok(median(slowest) < STALL_MS, `the slowest event of each stream took ${slowest} ms`);
});

/** A provider that is no HTTP server, so that it sees each read. It answers a GET, and a chunked body that has ended. */
async function startRawProvider(t: TestContext, read: (text: string) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.setEncoding('latin1').on('data', (text: string) => {
      read(text);
      if (!text.startsWith('GET ') && !text.endsWith('0\r\n\r\n')) return;
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

test('small pieces of a body that is passed through reach the upstream without a stall', async (t) => {
  let watch = stopwatch();
  const baseUrl = await startRawProvider(t, (text) => watch.read(text));
  const { url } = await startGatewayFor(t, baseUrl);
  const slowest: number[] = [];
  for (let body = 0; body < STREAMS; body++) {
    for (let turn = 0; turn < TURNS; turn++) await (await fetch(`${url}/files`)).text();
    watch = stopwatch();
    const outgoing = request(`${url}/files`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
    });
    const answer = once(outgoing, 'response');
    for (let index = 0; index < PIECES; index++) {
      watch.sent();
      outgoing.write('piece~');
      await pause(1);
    }
    outgoing.end();
    const [response] = (await answer) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    response.resume();
    await once(response, 'end');
    slowest.push(watch.slowest());
  }
  assert.ok(median(slowest) < STALL_MS, `the slowest piece of each body took ${slowest} ms`);
});
