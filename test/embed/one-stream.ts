// A whole host app in a process of its own: serves one streamed exchange, closes, and leaves the rest to Node.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';

const [baseUrl = '', database = ''] = process.argv.slice(2);
const globalDispatcher = () => Reflect.get(globalThis, Symbol.for('undici.globalDispatcher.1'));

// A host that has not used fetch yet.
const untouched = globalDispatcher() === undefined;
const { default: gateway } = await import('../../src/index.js');

const app = Fastify();
app.register(gateway, {
  prefix: '/ai',
  database: { path: database },
  providers: { main: { type: 'openai-compatible', baseUrl } },
});
await app.listen({ host: '127.0.0.1', port: 0 });
const { port } = app.server.address() as AddressInfo;
const outgoing = request(`http://127.0.0.1:${port}/ai/v1/chat/completions`, {
  method: 'POST',
  agent: false,
  headers: { 'content-type': 'application/json' },
});
outgoing.end(JSON.stringify({ model: 'main/m', stream: true, messages: [{ role: 'user', content: 'Hi' }] }));
const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
let text = '';
for await (const piece of response) text += piece;
await app.close();
const dispatcher = globalDispatcher();
// Only now, because undici as a whole installs an agent of its own where there is none.
const { Agent } = await import('undici');
const foreign = dispatcher instanceof Agent;
process.stdout.write(`${JSON.stringify({ untouched, foreign, status: response.statusCode, text })}\n`);
