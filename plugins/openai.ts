import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { chatBody, embeddingsBody, type RoutedBody } from '../src/bodies.js';
import type { Config } from '../src/config.js';
import { GatewayError } from '../src/errors.js';
import { type Exchange, sinceStart } from '../src/exchange.js';
import type { ListedModel } from '../src/routing/table.js';
import type { GatewayRouteConfig } from '../src/types.js';
import { exchangeHeaders } from '../src/upstream/answer.js';
import { wantsStreamUsage } from '../src/upstream/splice.js';
import { notFoundHandler } from './error-handler.js';
import { ownScope } from './scope.js';

/** Options of the openai plugin; a parsed `Config` fits. */
export type OpenaiOptions = Pick<Config, 'bodyLimit'>;

const config: { gateway: GatewayRouteConfig } = { gateway: { scope: 'proxy', record: true } };

/** What only the answer itself can know. */
const describesBody = new Set(['content-type', 'cache-control']);

/** Far beyond any answer, and as long as a timer can run: the exchange has clocks of its own. */
const NO_HANDLER_TIMEOUT_MS = 2 ** 31 - 1;

/** The endpoints of OpenAI's API below `/v1`. Encapsulated: its parser and validator are its own. */
async function openaiPlugin(instance: FastifyInstance, options: OpenaiOptions): Promise<void> {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>();
  const limits = {
    bodyLimit: options.bodyLimit,
    ...(hasHandlerTimeout(app) && { handlerTimeout: NO_HANDLER_TIMEOUT_MS }),
    // A host's compression would hold back a stream, and an answer leaves as the upstream's own bytes.
    compress: false as const,
  };
  ownScope(app);
  app.decorateRequest('gatewayBody', null);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes: Buffer, done) => {
    const { exchange } = request;
    if (exchange !== null) {
      exchange.receivedUs = sinceStart(exchange);
      exchange.bytesIn = bytes.length;
      app.gatewayExchanges.capture(exchange, bytes);
    }
    request.gatewayBody = bytes;
    try {
      done(null, JSON.parse(bytes.toString('utf8')));
    } catch (cause) {
      done(new GatewayError('invalid_request_error', `The request body is not valid JSON: ${why(cause)}`));
    }
  });

  app.post('/v1/chat/completions', { ...limits, config, schema: { body: chatBody } }, (request, reply) =>
    proxy(request, reply, '/chat/completions', request.body),
  );
  app.post('/v1/embeddings', { ...limits, config, schema: { body: embeddingsBody } }, (request, reply) =>
    proxy(request, reply, '/embeddings', request.body),
  );

  app.get('/v1/models', { ...limits, config }, async (request) => ({
    object: 'list',
    data: app.gatewayRouter.models(allowedRoutes(request.exchange)).map(modelObject),
  }));
  // Ids hold slashes, dots and colons, so the rest of the path is the id.
  app.get(
    '/v1/models/*',
    { ...limits, config },
    async (request: FastifyRequest<{ Params: { '*': string } }>) => {
      const id = request.params['*'];
      const model = app.gatewayRouter
        .models(allowedRoutes(request.exchange))
        .find((listed) => listed.id === id);
      if (model !== undefined) return modelObject(model);
      throw new GatewayError(
        'model_not_found',
        `No route, alias or model is named ${JSON.stringify(id.slice(0, 100))}.`,
        { param: 'model' },
      );
    },
  );
  app.register(async (rest) => {
    // Whatever the body is, there is nobody to give it to.
    rest.removeAllContentTypeParsers();
    rest.addContentTypeParser('*', (_request, _payload, done) => done(null));
    const method = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
    rest.route({ ...limits, config, method, url: '/v1/*', handler: notFoundHandler });
  });

  async function proxy(request: FastifyRequest, reply: FastifyReply, path: string, body: RoutedBody) {
    const { exchange, gatewayBody } = request;
    if (exchange === null || gatewayBody === null)
      throw new Error('The exchange plugin has not seen this request.');
    const streaming = body.stream === true;
    exchange.requestedModel = body.model;
    exchange.streaming = streaming;
    const resolution = app.gatewayRouter.resolve(body.model, allowedRoutes(exchange));
    exchange.route = resolution.route;
    exchange.strategy = resolution.strategy;
    const answer = await app.gatewayUpstream.forward({
      exchange,
      resolution,
      path,
      headers: request.headers,
      body: gatewayBody,
      addStreamUsage: streaming && path === '/chat/completions' && !wantsStreamUsage(body),
    });
    reply.code(answer.status);
    for (const name in answer.headers) {
      // What the host's own plugins have set (security headers, for instance) is the host's to decide.
      if (!reply.hasHeader(name) || describesBody.has(name)) reply.header(name, answer.headers[name]);
    }
    return reply.headers(exchangeHeaders(exchange)).send(answer.body);
  }
}

/** Where the JSON is wrong, without the part of the body that V8 quotes: errors are stored, bodies are not. */
function why(cause: unknown): string {
  return cause instanceof Error ? cause.message.replace(/, (\.\.\.)?".*$/s, '') : String(cause);
}

/** A host's `handlerTimeout` would cut a long answer. Fastify's types leave it out of `initialConfig`. */
function hasHandlerTimeout(app: FastifyInstance): boolean {
  const { initialConfig } = app;
  return 'handlerTimeout' in initialConfig && Number(initialConfig.handlerTimeout) > 0;
}

function allowedRoutes(exchange: Exchange | null): ReadonlySet<string> | null {
  return exchange?.caller?.routes ?? null;
}

function modelObject(model: ListedModel) {
  return { id: model.id, object: 'model', created: 0, owned_by: model.ownedBy };
}

export default fp(openaiPlugin, {
  fastify: '5.x',
  name: 'gateway-openai',
  encapsulate: true,
  decorators: { fastify: ['gatewayRouter', 'gatewayUpstream'], request: ['exchange'] },
});
