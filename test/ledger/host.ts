// A gateway in a process of its own, with the echo provider behind it. Prints its URL, and runs until it is killed.
import Fastify from 'fastify';
import gateway from '../../src/index.js';

const [path = '', durability] = process.argv.slice(2);
const app = Fastify();
app.register(gateway, {
  database: { path, durability: durability === 'strict' ? 'strict' : 'relaxed' },
  providers: { echo: { type: 'echo' } },
});
process.stdout.write(`${await app.listen({ host: '127.0.0.1', port: 0 })}\n`);
