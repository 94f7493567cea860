// A gateway in a process of its own, whose only key has a budget. Prints its URL, and runs until it is killed.
import Fastify from 'fastify';
import gateway from '../../src/index.js';

const [path = '', key = '', usd = '1'] = process.argv.slice(2);
const app = Fastify();
app.register(gateway, {
  database: { path },
  keys: [{ name: 'web', key, scopes: ['proxy', 'admin'], budget: { usd: Number(usd), per: 'month' } }],
  providers: {
    echo: {
      type: 'echo',
      latency: 30,
      models: { echo: { price: { input: 0, output: 0, request: 0.01 } } },
    },
  },
});
process.stdout.write(`${await app.listen({ host: '127.0.0.1', port: 0 })}\n`);
