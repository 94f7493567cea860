import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Exchanges } from '../../src/live.js';
import { chat, type Row, rawPost, startGateway } from '../helpers/gateway.js';
import { chunk, done, roleChunk, startUpstream, usageChunk, withResolvers } from '../helpers/upstream.js';

const STREAMS = 1_000;
/** Connections that are opened at a time: more than fit into a listener's queue wait a second for another try. */
const AT_ONCE = 250;
/** The client's, the gateway's two and the upstream's sockets of each stream, and some more. */
const SOCKETS = 4 * STREAMS + 200;
/** Pauses of the upstream between two pieces, in milliseconds: whole streams take about five of them. */
const LONGEST_PAUSE_MS = 60;
/** The last one or two may still be referred to from somewhere. */
const FEW = 10;
/** What two rounds may differ by; a thousand answers that were kept are 40 MB. */
const FLAT_BYTES = 4 * 1024 * 1024;

const pieces = [
  roleChunk,
  ...['Hello', ' there', ', ', 'you'].map((content) => chunk({ content })),
  chunk({}, 'stop') + usageChunk + done,
];
/** What a client gets that did not ask for the usage. */
const whole = pieces.join('').replace(usageChunk, '');
const body = JSON.stringify({ ...chat, stream: true });

/** When a client cuts its connection: at some time, with its n-th event, or once it has the last byte. */
type Leaving =
  | { at: 'headers' | 'content' | 'any time'; afterMs: number }
  | { at: 'events'; count: number }
  | { at: 'last byte' }
  | null;

/** What the test knows of one stream, from both ends. */
interface Stream {
  leaving: Leaving;
  pauses: number[];
  received: string;
  hasLeft: boolean;
  isWhole: boolean;
  /** The upstream had written its terminator. */
  terminated: boolean;
}

/** The same numbers for the same seed (mulberry32), each at least 0 and less than 1. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Every third leaves, each in its own way. The upstream of the first two ways is silent until long after that. */
function planStreams(random: () => number): Stream[] {
  return Array.from({ length: STREAMS }, (_, index) => {
    const leaving = index % 3 === 0 ? leavingOf((index / 3) % 5, random) : null;
    const pauses = pieces.map(() => random() * LONGEST_PAUSE_MS);
    if (leaving?.at === 'headers') pauses[0] = Number.POSITIVE_INFINITY;
    if (leaving?.at === 'content') pauses[1] = Number.POSITIVE_INFINITY;
    return { leaving, pauses, received: '', hasLeft: false, isWhole: false, terminated: false };
  });
}

function leavingOf(kind: number, random: () => number): Leaving {
  if (kind === 0) return { at: 'headers', afterMs: random() * LONGEST_PAUSE_MS };
  if (kind === 1) return { at: 'content', afterMs: random() * 2 * LONGEST_PAUSE_MS };
  if (kind === 2) return { at: 'events', count: 2 + Math.floor(random() * 3) };
  if (kind === 3) return { at: 'last byte' };
  return { at: 'any time', afterMs: random() * pieces.length * LONGEST_PAUSE_MS };
}

/** Plays each stream piece by piece once `open` resolves; a pause without end is one until the connection is cut. */
async function startProvider(context: TestContext, plan: () => Stream[]) {
  const working = new Set<ServerResponse>();
  const provider = { working, state: { arrived: 0, open: withResolvers() } };
  const upstream = await startUpstream(context, async (response, { headers }) => {
    const stream = plan()[Number(headers['x-number'])];
    assert.ok(stream);
    working.add(response);
    const cut = new AbortController();
    response.once('close', () => {
      working.delete(response);
      cut.abort();
    });
    provider.state.arrived++;
    await provider.state.open.promise;
    for (const [index, piece] of pieces.entries()) {
      await pause(Math.min(stream.pauses[index] ?? 0, 2 ** 30), null, cut).catch(() => {});
      if (response.destroyed) return;
      if (index === 0) response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (index === pieces.length - 1) stream.terminated = true;
      response.write(piece);
    }
    response.end();
  });
  upstream.keepBodies(false);
  return Object.assign(provider, { upstream });
}

/** Reads a stream, or leaves it as planned. Resolves when the client's connection has gone. */
async function play(url: string, stream: Stream, number: number, opened: Promise<void>): Promise<void> {
  const { outgoing, response } = rawPost(url, body, {
    connection: 'close',
    'x-number': `${number}`,
    'x-request-id': `${number}`,
  });
  outgoing.on('error', () => {});
  const closed = new Promise((resolve) => outgoing.once('close', resolve));
  const { leaving } = stream;
  const leave = () => {
    stream.hasLeft = true;
    outgoing.destroy();
  };
  response.then(
    (answer) => read(answer, stream, leave),
    () => {},
  );
  if (leaving !== null && 'afterMs' in leaving) {
    await opened;
    setTimeout(leave, leaving.afterMs);
  }
  await closed;
}

function read(answer: IncomingMessage, stream: Stream, leave: () => void): void {
  const { leaving } = stream;
  answer.setEncoding('utf8').on('data', (text: string) => {
    stream.received += text;
    if (leaving?.at === 'last byte' && stream.received.endsWith(done)) leave();
    if (leaving?.at === 'events' && stream.received.split('\n\n').length > leaving.count) leave();
  });
  answer.on('error', () => {});
  answer.on('end', () => {
    stream.isWhole = answer.complete && !stream.hasLeft;
  });
}

/**
 * What must be in the row of a stream, judged by what both ends of it saw. An upstream that has written its terminator
 * to a client that has not got it leaves open which was first.
 */
function checkRow(row: Row, stream: Stream, label: string): void {
  const { leaving, isWhole, received, terminated } = stream;
  const outcome = `${row.outcome} ${row.end_reason}`;
  assert.ok(whole.startsWith(received), label);
  if (leaving === null) assert.ok(isWhole && received === whole, label);
  if (received.endsWith(done)) assert.equal(outcome, 'ok complete', label);
  else if (!terminated) assert.equal(outcome, 'aborted client_gone', label);
  else assert.ok(['ok complete', 'aborted client_gone'].includes(outcome), `${label} ${outcome}`);
  if (leaving?.at === 'headers' || leaving?.at === 'content') assert.equal(row.status, null, label);
  if (received !== '') assert.equal(row.status, 200, label);
  assert.equal(row.attempts, 1, label);
}

/** Bytes in use once what nobody refers to is gone. What finalizers free is gone after the next turns of the loop. */
async function bytesInUse(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  assert.ok(typeof collect === 'function');
  for (let times = 0; times < 4; times++) {
    collect();
    await pause(20);
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Closes what is open; whether that was nothing. */
function closeAll(sockets: ReadonlySet<Socket>): boolean {
  for (const socket of sockets) socket.destroy();
  return sockets.size === 0;
}

/** How many of each kind of handle the process has. */
function handles(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Waits for what follows from what has happened already; most of the time is for a busy machine. */
async function until(holds: () => boolean, what: () => string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, what());
    await pause(5);
  }
}

function openFileLimit(): number {
  const { userLimits } = Object(process.report.getReport());
  const soft: unknown = userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY;
}

const tooFewFiles =
  openFileLimit() < SOCKETS && `needs ${SOCKETS} open files, the limit is ${openFileLimit()}`;

test('of a thousand streams at once, a third of them left at random moments, nothing is lost and nothing stays', {
  skip: tooFewFiles,
}, async (t) => {
  // What a run did is done again with its seed in the environment, as far as timing allows.
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  const random = randomOf(seed);
  const before = handles();
  let streams: Stream[] = [];
  let live: Exchanges | null = null;
  let kept: WeakRef<object>[] = [];
  const provider = await startProvider(t, () => streams);
  const { upstream, working } = provider;
  const gateway = await startGateway(t, {
    providers: { main: { type: 'openai-compatible', baseUrl: upstream.url } },
    host: (app) => {
      app.addHook('onRequest', async ({ server }) => {
        live = server.gatewayExchanges;
      });
      app.addHook('preHandler', async ({ exchange, raw }, reply) => {
        for (const each of [exchange, raw, reply.raw]) if (each !== null) kept.push(new WeakRef(each));
      });
    },
  });
  const inFlight = () => live?.size;

  async function round(number: number): Promise<void> {
    streams = planStreams(random);
    provider.state = { arrived: 0, open: withResolvers() };
    const played = [];
    for (const [index, stream] of streams.entries()) {
      played.push(play(`${gateway.url}/v1/chat/completions`, stream, index, provider.state.open.promise));
      if (played.length % AT_ONCE === 0)
        await until(
          () => provider.state.arrived === played.length,
          () => `${provider.state.arrived} have arrived`,
        );
    }
    assert.equal(inFlight(), STREAMS);
    provider.state.open.resolve();
    await Promise.all(played);
    const rows = (await gateway.exchanges(number * STREAMS)).slice(-STREAMS);
    assert.equal(inFlight(), 0);
    assert.equal(new Set(rows.map((row) => row.correlation_id)).size, STREAMS);
    for (const row of rows) {
      const stream = streams[Number(row.correlation_id)];
      assert.ok(stream);
      const label = `SEED=${seed} round ${number} stream ${row.correlation_id} ${JSON.stringify(stream)}`;
      checkRow(row, stream, label);
    }
    await until(
      () => working.size === 0,
      () => `${working.size} upstream requests go on`,
    );
    // What is left was kept for the next request, or opened for it: undici does so in place of a connection it has cut.
    await until(
      () => closeAll(upstream.sockets),
      () => `${upstream.sockets.size} sockets stay open`,
    );
    streams = [];
    upstream.seen.length = 0;
  }

  await round(1);
  const first = await bytesInUse();
  kept = [];
  await round(2);
  assert.equal(kept.length, 3 * STREAMS);
  const remaining = () => kept.filter((each) => each.deref() !== undefined).length;
  let growth = (await bytesInUse()) - first;
  // Sockets that have been closed take what belongs to them along a little later.
  const deadline = performance.now() + 5_000;
  while ((growth > FLAT_BYTES || remaining() > FEW) && performance.now() < deadline) {
    growth = (await bytesInUse()) - first;
  }
  t.diagnostic(`${remaining()} objects remain, memory grew by ${growth} bytes in the second round`);
  assert.ok(growth <= FLAT_BYTES, `SEED=${seed}: memory grew by ${growth} bytes in the second round`);
  assert.ok(
    remaining() <= FEW,
    `SEED=${seed}: ${remaining()} exchanges, requests and answers are still held`,
  );
  await gateway.app.close();
  assert.equal(upstream.sockets.size, 0);
  // The upstream's own listener is what is left.
  await until(
    () => isDeepStrictEqual(handles(), { ...before, TCPServerWrap: 1 }),
    () => JSON.stringify(handles()),
  );
});
