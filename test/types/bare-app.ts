// Compiled and run: what an app gets from each entry point of the package, registered with no more than it needs.
import Fastify, { type FastifyInstance } from 'fastify';
import gateway, { parseConfig } from 'fastify-llm-gateway';
import auth from 'fastify-llm-gateway/auth';
import availability from 'fastify-llm-gateway/availability';
import exchange from 'fastify-llm-gateway/exchange';
import explain from 'fastify-llm-gateway/explain';
import forwarding from 'fastify-llm-gateway/forwarding';
import health from 'fastify-llm-gateway/health';
import liveFeed from 'fastify-llm-gateway/live-feed';
import openai from 'fastify-llm-gateway/openai';
import openapi from 'fastify-llm-gateway/openapi';
import persistence from 'fastify-llm-gateway/persistence';
import routing from 'fastify-llm-gateway/routing';
import sessions from 'fastify-llm-gateway/sessions';
import stats from 'fastify-llm-gateway/stats';

const options = {
  database: { path: ':memory:' },
  providers: { main: { type: 'echo' as const, models: { m: {} } } },
  keys: [{ name: 'web', key: 'sk-gateway-0123456789' }],
};
const config = parseConfig(options);
const chat = { model: 'main/m', messages: [{ role: 'user', content: 'Hi' }] };

const plugins = {
  openapi: (app: FastifyInstance) => app.register(openapi),
  persistence: (app: FastifyInstance) => app.register(persistence, config),
  exchange: (app: FastifyInstance) => app.register(exchange, config),
  auth: (app: FastifyInstance) => app.register(auth, config),
  routing: (app: FastifyInstance) => app.register(routing, config),
  forwarding: (app: FastifyInstance) => app.register(forwarding, config),
  openai: (app: FastifyInstance) => app.register(openai, config),
  explain: (app: FastifyInstance) => app.register(explain, config),
  availability: (app: FastifyInstance) => app.register(availability),
  stats: (app: FastifyInstance) => app.register(stats, config),
  sessions: (app: FastifyInstance) => app.register(sessions),
  'live-feed': (app: FastifyInstance) => app.register(liveFeed),
  health: (app: FastifyInstance) => app.register(health),
};
type Name = keyof typeof plugins;

/** What an entry point does not work without. */
const needs: Record<Name, Name[]> = {
  openapi: [],
  persistence: [],
  exchange: ['persistence'],
  auth: ['persistence', 'exchange'],
  routing: [],
  forwarding: ['routing'],
  openai: ['persistence', 'exchange', 'routing', 'forwarding'],
  explain: ['persistence', 'exchange', 'routing'],
  availability: ['routing', 'forwarding'],
  stats: ['persistence'],
  sessions: ['persistence'],
  'live-feed': ['persistence', 'exchange'],
  health: ['persistence', 'exchange', 'routing'],
};

const get = (url: string) => async (app: FastifyInstance) => (await app.inject(url)).statusCode;
const post = (url: string) => async (app: FastifyInstance) =>
  (await app.inject({ method: 'POST', url, payload: chat })).statusCode;
const decorator = (name: string) => async (app: FastifyInstance) => app.hasDecorator(name);

/** What shows that an entry point is at work. */
const shows: Record<Name, (app: FastifyInstance) => Promise<unknown>> = {
  openapi: get('/openapi.json'),
  persistence: decorator('gatewayLedger'),
  exchange: decorator('gatewayExchanges'),
  auth: get('/own'),
  routing: decorator('gatewayRouter'),
  forwarding: decorator('gatewayUpstream'),
  openai: post('/v1/chat/completions'),
  explain: post('/explain'),
  availability: get('/stats/availability'),
  stats: get('/stats'),
  sessions: get('/sessions'),
  // It has no end.
  'live-feed': async (app) => app.hasRoute({ method: 'GET', url: '/stats/live' }),
  health: get('/ready'),
};

const shown: Record<string, unknown> = {};

for (const name of Object.keys(plugins) as Name[]) {
  const app = Fastify();
  for (const part of [...needs[name], name]) await plugins[part](app);
  app.get('/own', async () => 'own');
  await app.ready();
  shown[`./${name}`] = await shows[name](app);
  await app.close();
}

const whole = Fastify();
await whole.register(gateway, options);
await whole.ready();
shown['.'] = await get('/health')(whole);
await whole.close();

console.log(JSON.stringify(shown));
