import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { endpoints, type RoutedBody } from '../src/endpoints.js';
import { GatewayError } from '../src/errors.js';
import type { Caller } from '../src/exchange.js';
import { explain } from '../src/routing/explain.js';
import { requestFacts } from '../src/routing/facts.js';
import type { Entry } from '../src/routing/table.js';
import { isRecord } from '../src/stream/json.js';
import { acceptJson } from './bodies.js';
import { policyOf, providerOf } from './proxy.js';
import { ownScope } from './scope.js';

/** Options of the explain plugin; a parsed `Config` fits. */
export type ExplainOptions = Pick<Config, 'bodyLimit' | 'routes'>;

type ExplainRequest = FastifyRequest<{ Querystring: { endpoint?: unknown; key?: unknown } }>;

const config = {
  gateway: { scope: 'read', record: false, summary: 'Where a request would go, and what it would cost' },
} as const;

/**
 * `POST /explain`: what would become of a request, without sending it. The body is the request itself; `?endpoint=`
 * names the endpoint it is for (`/v1/chat/completions` by default), `?key=` the API key whose policy and routes count.
 */
async function explainPlugin(app: FastifyInstance, options: ExplainOptions): Promise<void> {
  ownScope(app);
  acceptJson(app);
  app.post('/explain', { config, bodyLimit: options.bodyLimit }, async (request: ExplainRequest) => {
    const { path } = endpointOf(request.query.endpoint);
    const key = keyOf(request.query.key);
    const body = bodyOf(request.body);
    const entry = entryOf(body.model ?? null, providerOf(request), key);
    const budgeted = [key?.budget, entry.route === null ? null : options.routes[entry.route]?.budget];
    const facts = requestFacts({
      endpoint: path.slice(1),
      body,
      bodyBytes: request.gatewayBody?.length ?? 0,
      caller: key?.name ?? null,
      session: sessionOf(request),
      policy: policyOf(request),
      keyPolicy: key?.policy ?? null,
      pricedOnly: budgeted.some((budget) => budget?.kind === 'hard'),
    });
    return explain(app.gatewayRouter, entry, facts, Date.now());
  });

  /** A request may leave the model to a provider, where the API has a default. */
  function entryOf(model: string | null, provider: string | null, key: Caller | null): Entry {
    const allowed = key?.allowed ?? null;
    if (model !== null) return app.gatewayRouter.resolve(model, allowed, provider);
    const entry = app.gatewayRouter.passthrough(provider, allowed, key?.policy);
    if (entry !== null) return entry;
    throw new GatewayError('invalid_request_error', '`model` is required.', { param: 'model' });
  }

  function keyOf(name: unknown) {
    if (name === undefined) return null;
    const key = app.gatewayKeys.named(String(name));
    if (key !== null) return key;
    throw new GatewayError('invalid_request_error', `No key is named ${quoted(name)}.`, { param: 'key' });
  }
}

function endpointOf(given: unknown) {
  const path = given === undefined ? '/chat/completions' : String(given).replace(/^\/v1(?=\/)/, '');
  const endpoint = endpoints.find((known) => known.path === path);
  if (endpoint !== undefined) return endpoint;
  const message = `${quoted(given)} is not an endpoint that is routed by a model.`;
  throw new GatewayError('invalid_request_error', message, { param: 'endpoint' });
}

/** Of the body only what choosing goes by is looked at, so a model alone can be explained. */
function bodyOf(body: unknown): RoutedBody {
  if (isRecord(body)) {
    const { model = null } = body;
    if (model === null || typeof model === 'string') return { ...body, model };
  }
  throw new GatewayError('invalid_request_error', '`model` must be a string.', { param: 'model' });
}

function sessionOf({ headers }: FastifyRequest): string | null {
  const session = headers['x-session-id'];
  return typeof session === 'string' ? session : null;
}

function quoted(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 100));
}

export default fp(explainPlugin, {
  fastify: '5.x',
  name: 'gateway-explain',
  encapsulate: true,
  decorators: { fastify: ['gatewayRouter', 'gatewayKeys'], request: ['exchange'] },
});
