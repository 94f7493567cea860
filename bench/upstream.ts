/**
 * The provider of the benchmarks, in a process of its own. Prints its base URL. A chat request gets its first content at
 * once and then an event every millisecond, as many as its `max_tokens` says; anything else is read to its end.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'bench' };
const usage = { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 };

function chunk(delta: Record<string, unknown>, finishReason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  return `data: ${JSON.stringify({ ...head, choices })}\n\n`;
}

const first = chunk({ role: 'assistant', content: '' }) + chunk({ content: 'Hello' });
const next = chunk({ content: ' there' });
const last = `${chunk({}, 'stop')}data: ${JSON.stringify({ ...head, choices: [], usage })}\n\ndata: [DONE]\n\n`;

function stream(response: ServerResponse, events: number): void {
  let sent = 1;
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(first);
  const timer = setInterval(() => {
    if (sent++ < events && !response.destroyed) response.write(next);
    else {
      clearInterval(timer);
      response.end(last);
    }
  }, 1);
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) text += part;
  return text;
}

const server = createServer(async (request, response) => {
  if (request.url === '/v1/chat/completions') {
    const { max_tokens: events } = JSON.parse(await textOf(request));
    stream(response, events);
    return;
  }
  let bytes = 0;
  for await (const part of request) bytes += part.length;
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ text: `${bytes}` }));
});
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
});
