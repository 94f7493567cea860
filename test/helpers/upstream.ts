import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** A request as it reached the upstream. */
export interface Seen {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** What an upstream does with one request. */
export type Script = (response: ServerResponse, seen: Seen, request: IncomingMessage) => unknown;

export interface ScriptedUpstream {
  /** Base URL to configure, with `/v1`. */
  url: string;
  seen: Seen[];
  /** Open connections now. */
  sockets: Set<Socket>;
  /** Replaces what the upstream does from the next request on. */
  script(script: Script): void;
  /** Whether the bodies of requests are kept in `seen`; they are unless told otherwise. */
  keepBodies(keep: boolean): void;
}

/** A real HTTP server on a free loopback port that does what its script says. It ends with the test. */
export async function startUpstream(context: TestContext, script: Script): Promise<ScriptedUpstream> {
  let current = script;
  let keep = true;
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) if (keep) chunks.push(chunk);
    } catch {
      return; // The gateway gave up while it was sending.
    }
    const entry: Seen = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks),
    };
    seen.push(entry);
    current(response, entry, request);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    seen,
    sockets,
    script(next) {
      current = next;
    },
    keepBodies(next) {
      keep = next;
    },
  };
}

/** The URL of a port on which nobody listens. */
export async function refusingUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/v1`;
}

/** A complete chat answer. */
export const completion = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'test-model-2026',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
};

/** Answers with a JSON body. */
export function json(body: unknown = completion, status = 200, headers: Record<string, string> = {}): Script {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
}

/** Answers with OpenAI's error body. */
export function failing(status: number, message: string, headers: Record<string, string> = {}): Script {
  return json({ error: { message, type: 'server_error', param: null, code: null } }, status, headers);
}

/** One chat chunk as a server-sent event. */
export function chunk(delta: Record<string, unknown>, finishReason: string | null = null): string {
  const { id, created, model } = completion;
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  return `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created, model, choices })}\n\n`;
}

export const roleChunk = chunk({ role: 'assistant', content: '' });
export const usageChunk = `data: ${JSON.stringify({
  id: completion.id,
  object: 'chat.completion.chunk',
  created: completion.created,
  model: completion.model,
  choices: [],
  usage: completion.usage,
})}\n\n`;
export const done = 'data: [DONE]\n\n';

/** The events of a complete chat stream, as an upstream sends them when it is asked for usage. */
export const chatEvents = [
  roleChunk,
  chunk({ content: 'Hello' }),
  chunk({ content: ' there' }),
  chunk({}, 'stop'),
  usageChunk,
  done,
];

/** Streams the events, and ends. */
export function sse(events: readonly string[] = chatEvents): Script {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of events) response.write(event);
    response.end();
  };
}

/** Streams the events and then leaves the stream open; resolves `started` once they are written. */
export function sseThenHang(events: readonly string[]): Script {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of events) response.write(event);
  };
}

/** Streams the events and then cuts the connection. */
export function sseThenReset(events: readonly string[]): Script {
  return (response, _seen, request) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(events.join(''), () => request.socket.resetAndDestroy());
  };
}

/** A promise and what settles it. (Node 20 has no `Promise.withResolvers`.) */
export function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
