// Compiled and run: what an app gets from each entry point of the package, registered with no more than it needs.
import Fastify, { type FastifyInstance } from 'fastify';
import gateway, { parseConfig } from 'fastify-llm-gateway';
import admin from 'fastify-llm-gateway/admin';
import auth from 'fastify-llm-gateway/auth';
import availability from 'fastify-llm-gateway/availability';
import budgets from 'fastify-llm-gateway/budgets';
import exchange from 'fastify-llm-gateway/exchange';
import explain from 'fastify-llm-gateway/explain';
import forwarding from 'fastify-llm-gateway/forwarding';
import health from 'fastify-llm-gateway/health';
import keys from 'fastify-llm-gateway/keys';
import limits from 'fastify-llm-gateway/limits';
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
  keys: [{ name: 'web', key: 'sk-gateway-0123456789', scopes: ['proxy' as const, 'admin' as const] }],
};
const config = parseConfig(options);
const chat = { model: 'main/m', messages: [{ role: 'user', content: 'Hi' }] };

const plugins = {
  openapi: (app: FastifyInstance) => app.register(openapi),
  persistence: (app: FastifyInstance) => app.register(persistence, config),
  exchange: (app: FastifyInstance) => app.register(exchange, config),
  keys: (app: FastifyInstance) => app.register(keys, config),
  auth: (app: FastifyInstance) => app.register(auth, config),
  limits: (app: FastifyInstance) => app.register(limits),
  budgets: (app: FastifyInstance) => app.register(budgets, config),
  routing: (app: FastifyInstance) => app.register(routing, config),
  forwarding: (app: FastifyInstance) => app.register(forwarding, config),
  openai: (app: FastifyInstance) => app.register(openai, config),
  explain: (app: FastifyInstance) => app.register(explain, config),
  availability: (app: FastifyInstance) => app.register(availability),
  stats: (app: FastifyInstance) => app.register(stats, config),
  sessions: (app: FastifyInstance) => app.register(sessions),
  'live-feed': (app: FastifyInstance) => app.register(liveFeed),
  admin: (app: FastifyInstance) => app.register(admin, config),
  health: (app: FastifyInstance) => app.register(health),
};
type Name = keyof typeof plugins;

/** What an entry point does not work without. */
const needs: Record<Name, Name[]> = {
  openapi: [],
  persistence: [],
  exchange: ['persistence'],
  keys: [],
  auth: ['persistence', 'exchange', 'keys'],
  limits: ['persistence', 'exchange'],
  budgets: ['persistence', 'exchange', 'keys'],
  routing: [],
  forwarding: ['routing'],
  openai: ['persistence', 'exchange', 'routing', 'forwarding'],
  explain: ['persistence', 'exchange', 'keys', 'routing'],
  availability: ['routing', 'forwarding'],
  stats: ['persistence'],
  sessions: ['persistence'],
  'live-feed': ['persistence', 'exchange'],
  admin: ['persistence', 'exchange', 'keys', 'auth', 'budgets'],
  health: ['persistence', 'exchange', 'routing'],
};

const get =
  (url: string, key = '') =>
  async (app: FastifyInstance) =>
    (await app.inject({ url, headers: { 'x-api-key': key } })).statusCode;
const post = (url: string) => async (app: FastifyInstance) =>
  (await app.inject({ method: 'POST', url, payload: chat })).statusCode;
const decorator = (name: string) => async (app: FastifyInstance) => app.hasDecorator(name);

/** What shows that an entry point is at work. */
const shows: Record<Name, (app: FastifyInstance) => Promise<unknown>> = {
  openapi: get('/openapi.json'),
  persistence: decorator('gatewayLedger'),
  exchange: decorator('gatewayExchanges'),
  keys: decorator('gatewayKeys'),
  auth: get('/own'),
  limits: get('/own'),
  budgets: decorator('gatewayBudgets'),
  routing: decorator('gatewayRouter'),
  forwarding: decorator('gatewayUpstream'),
  openai: post('/v1/chat/completions'),
  explain: post('/explain'),
  availability: get('/stats/availability'),
  stats: get('/stats'),
  sessions: get('/sessions'),
  // It has no end.
  'live-feed': async (app) => app.hasRoute({ method: 'GET', url: '/stats/live' }),
  admin: get('/admin/keys', 'sk-gateway-0123456789'),
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
