import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { endpoints, type RoutedBody } from '../src/endpoints.js';
import { GatewayError } from '../src/errors.js';
import { explain } from '../src/routing/explain.js';
import { requestFacts } from '../src/routing/facts.js';
import { acceptJson } from './bodies.js';
import { policyOf, providerOf } from './proxy.js';
import { ownScope } from './scope.js';

/** Options of the explain plugin; a parsed `Config` fits. */
export type ExplainOptions = Pick<Config, 'bodyLimit' | 'routes'>;

type ExplainRequest = FastifyRequest<{ Querystring: { endpoint?: unknown; key?: unknown } }>;

const config = { gateway: { scope: 'read', record: false } } as const;

/**
 * `POST /explain`: what would become of a request, without sending it. The body is the request itself; `?endpoint=`
 * names the endpoint it is for (`/v1/chat/completions` by default), `?key=` the API key whose policy and routes count.
 */
async function explainPlugin(app: FastifyInstance, options: ExplainOptions): Promise<void> {
  ownScope(app);
  app.decorateRequest('gatewayBody', null);
  acceptJson(app);
  app.post('/explain', { config, bodyLimit: options.bodyLimit }, async (request: ExplainRequest) => {
    const { path } = endpointOf(request.query.endpoint);
    const key = keyOf(request.query.key);
    const body = bodyOf(request.body);
    const entry = app.gatewayRouter.resolve(body.model, key?.allowed ?? null, providerOf(request));
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

function bodyOf(body: unknown): RoutedBody & { model: string } {
  if (typeof body === 'object' && body !== null && 'model' in body && typeof body.model === 'string') {
    return { ...body, model: body.model };
  }
  throw new GatewayError('invalid_request_error', '`model` is required.', { param: 'model' });
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
  decorators: { fastify: ['gatewayRouter', 'gatewayKeys'] },
});
