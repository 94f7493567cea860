import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Script } from './upstream.js';

type Then = 'end' | 'reset' | 'stay';

/** Writes bytes past Node's HTTP, so that they may be wrong in any way. */
export function raw(bytes: string, then: Then = 'end'): Script {
  return (_response, _seen, request) => {
    const { socket } = request;
    socket.write(bytes, () => leave(socket, then));
  };
}

/** A head with these header lines, for `raw`. */
export function head(...lines: string[]): string {
  return ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');
}

/** One piece in chunked transfer coding. */
export function piece(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

/** Head, body, and what the connection does then. */
export function body(type: string, text: string, then: Then | 'finish' = 'finish', status = 200): Script {
  return (response, _seen, request) => {
    response.writeHead(status, { 'content-type': type });
    if (then === 'finish') response.end(text);
    else if (text === '') response.flushHeaders();
    else response.write(text, () => leave(request.socket, then));
  };
}

export const events = (parts: readonly string[], then?: Then) =>
  body('text/event-stream', parts.join(''), then);

/** The parts one after the other, each so many milliseconds after the one before. */
export function dripping(type: string, parts: readonly (string | Buffer)[], everyMs: number): Script {
  return async (response) => {
    response.writeHead(200, { 'content-type': type });
    for (const text of parts) {
      await written(response, text);
      if (everyMs > 0) await wait(everyMs);
    }
    response.end();
  };
}

function written(response: ServerResponse, text: string | Buffer): Promise<void> {
  return new Promise((resolve) => response.write(text, () => resolve()));
}

/** The bytes cut into pieces of this size, wherever that falls. */
export function cutUp(text: string, size: number): Buffer[] {
  const bytes = Buffer.from(text);
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

/** Provisional answers, as a proxy on the way may send, before the real one. */
export function afterProvisional(script: Script): Script {
  return (response, seen, request) => {
    response.writeProcessing();
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    return script(response, seen, request);
  };
}

export const reset: Script = (_response, _seen, request) => request.socket.resetAndDestroy();
export const hangUp: Script = (_response, _seen, request) => request.socket.end();
export const silence: Script = () => {};

function leave(socket: Socket, then: Then): void {
  if (then === 'end') socket.end();
  if (then === 'reset') socket.resetAndDestroy();
}

/** The URL of a TLS server that takes connections and never says a word, so that none is ever established. */
export async function muteUrl(context: TestContext): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).resume();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('It listens on no port.');
  return `https://127.0.0.1:${address.port}/v1`;
}
