import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import {
  burstAnswer,
  chunk,
  errorAnswer,
  jsonAnswer,
  lastChunk,
  type Script,
  streamHead,
  streamParts,
} from './answers.js';

/** The provider: an HTTP/1.1 server on plain sockets, so that it is not what is measured. */
export interface Mock {
  readonly port: number;
  /** When the paced stream of this id began, by `performance.now()`; undefined until then. */
  startOf(id: number): number | undefined;
  close(): Promise<void>;
}

/** Between two events of a paced stream. Milliseconds. */
export const PACE_MS = 50;

/** Enough to find what a request asks for; one with a stream is never longer. */
const LOOKED_AT = 4096;
const TICK_MS = 1;

interface PacedStream {
  readonly socket: Socket;
  readonly startedAt: number;
  readonly next: string;
  readonly last: string;
  readonly events: number;
  sent: number;
}

export async function startMock(): Promise<Mock> {
  const starts = new Map<number, number>();
  const paced = new Set<PacedStream>();
  const sockets = new Set<Socket>();
  const ready = new Map<string, Buffer>();
  const limited = errorAnswer('429 Too Many Requests', 'rate_limit_exceeded');
  const broken = errorAnswer('503 Service Unavailable', 'server_error');
  // One timer for all streams: a thousand of them would be late for themselves.
  const timer = setInterval(sendWhatIsDue, TICK_MS, paced);

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, (head, start) => {
      if (head.startsWith('POST /limited/')) socket.write(limited);
      else if (head.startsWith('POST /broken/')) socket.write(broken);
      else if (head.startsWith('POST /reset/')) socket.destroy();
      else answer(socket, start);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  function answer(socket: Socket, start: string): void {
    const at = start.indexOf('@');
    const word = start.slice(at + 1, start.indexOf(' ', at));
    const asked = start.includes('"include_usage":true');
    const name = asked ? `${word}+` : word;
    const known = ready.get(name);
    if (known !== undefined) {
      socket.write(known);
      return;
    }
    const { script, id } = parseWord(word);
    if (script.kind === 'paced') {
      pace(socket, script, asked, id);
      return;
    }
    const made = script.kind === 'json' ? jsonAnswer(script.size) : burstAnswer(script, asked);
    ready.set(name, made);
    socket.write(made);
  }

  function pace(socket: Socket, { kind, size }: Script, asked: boolean, id: number): void {
    const { beginning, next, end } = streamParts(kind, asked);
    const startedAt = performance.now();
    starts.set(id, startedAt);
    socket.write(streamHead + chunk(beginning));
    paced.add({
      socket,
      startedAt,
      next: chunk(next),
      last: chunk(next) + chunk(end) + lastChunk,
      events: size,
      sent: 1,
    });
  }

  return {
    port: (server.address() as AddressInfo).port,
    startOf: (id) => starts.get(id),
    async close() {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function sendWhatIsDue(paced: Set<PacedStream>): void {
  const now = performance.now();
  for (const stream of paced) {
    if (stream.startedAt + stream.sent * PACE_MS > now) continue;
    stream.sent++;
    const done = stream.sent === stream.events;
    stream.socket.write(done ? stream.last : stream.next);
    if (done || stream.socket.destroyed) paced.delete(stream);
  }
}

function parseWord(word: string): { script: Script; id: number } {
  const [, kind, size, id] = /^(json|burst|chunks|nulls|paced)(\d+)(?::(\d+))?$/.exec(word) ?? [];
  if (kind === undefined) throw new Error(`the provider was asked for "${word}"`);
  return { script: { kind: kind as Script['kind'], size: Number(size) }, id: Number(id ?? 0) };
}

/** Calls `onRequest` with the head and the beginning of the body once a request is whole. Nobody pipelines. */
function serve(socket: Socket, onRequest: (head: string, start: string) => void): void {
  let held: Buffer | null = null;
  let head = '';
  let start = '';
  let missing = 0;
  socket.setNoDelay(true);
  // Whoever calls may leave at any time.
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    if (missing > 0) {
      missing -= data.length;
      if (start.length < LOOKED_AT) start += data.toString('latin1', 0, LOOKED_AT);
    } else {
      const bytes: Buffer = held === null ? data : Buffer.concat([held, data]);
      const end = bytes.indexOf('\r\n\r\n');
      held = end === -1 ? bytes : null;
      if (end === -1) return;
      head = bytes.toString('latin1', 0, end);
      start = bytes.toString('latin1', end + 4, end + 4 + LOOKED_AT);
      missing = lengthOf(head) - (bytes.length - end - 4);
    }
    if (missing === 0) onRequest(head, start);
  });
}

function lengthOf(head: string): number {
  const found = /\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (found === undefined) throw new Error(`the provider got a request without a length:\n${head}`);
  return Number(found);
}
