// The floor: what a gateway costs that does nothing but pass on. Fastify and undici as anybody would put them together; the body is
// parsed once, the original bytes go upstream, the answer comes back as it is. A stream is piped. Plain JavaScript, so that no loader
// is in the process that is measured.
//
//   node floor.mjs <base URL of the upstream>
import { once } from 'node:events';
import Fastify from 'fastify';
import { Pool } from 'undici';

const base = new URL(process.argv[2] ?? '');
const pool = new Pool(base.origin, { pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
const app = Fastify({ bodyLimit: 32 * 1024 * 1024 });

app.removeContentTypeParser('application/json');
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
  done(null, { bytes, json: JSON.parse(bytes.toString()) });
});

app.post('/v1/chat/completions', async (request, reply) => {
  const { bytes, json } = request.body;
  const { statusCode, headers, body } = await pool.request({
    method: 'POST',
    path: `${base.pathname}/chat/completions`,
    headers: { 'content-type': 'application/json', authorization: 'Bearer upstream' },
    body: bytes,
  });
  if (json.stream === true) {
    reply.hijack();
    reply.raw.writeHead(statusCode, { 'content-type': headers['content-type'] });
    body.on('error', () => reply.raw.destroy()).pipe(reply.raw);
    return reply;
  }
  return reply
    .code(statusCode)
    .type(headers['content-type'])
    .send(Buffer.from(await body.arrayBuffer()));
});

await app.listen({ host: '127.0.0.1', port: 0 });
console.log(`listens on http://127.0.0.1:${app.server.address().port}`);
await once(process, 'SIGTERM');
process.exit();
