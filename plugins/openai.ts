import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { type Endpoint, endpoints } from '../src/endpoints.js';
import type { GatewayRouteConfig } from '../src/types.js';
import { acceptForms, acceptJson } from './bodies.js';
import models from './models.js';
import passthrough from './passthrough.js';
import { createProxy } from './proxy.js';
import { ownScope } from './scope.js';

/** Options of the openai plugin; a parsed `Config` fits. */
export type OpenaiOptions = Pick<Config, 'bodyLimit' | 'uploadLimit' | 'streamPing'>;

const config: { gateway: GatewayRouteConfig } = { gateway: { scope: 'proxy', record: true } };

/** Far beyond any answer, and as long as a timer can run: the exchange has clocks of its own. */
const NO_HANDLER_TIMEOUT_MS = 2 ** 31 - 1;

/** The endpoints of OpenAI's API below `/v1`. Encapsulated: its parsers and validator are its own. */
async function openaiPlugin(app: FastifyInstance, options: OpenaiOptions): Promise<void> {
  const route = {
    config,
    bodyLimit: options.bodyLimit,
    ...(hasHandlerTimeout(app) && { handlerTimeout: NO_HANDLER_TIMEOUT_MS }),
    // A host's compression would hold back a stream, and an answer leaves as the upstream's own bytes.
    compress: false as const,
  };
  const proxy = createProxy(app, options);
  ownScope(app);
  app.decorateRequest('gatewayUpload', null);
  acceptJson(app);
  for (const endpoint of endpoints) if (!endpoint.form) declare(app, endpoint);
  await app.register(async (forms) => {
    acceptForms(forms, options.uploadLimit);
    for (const endpoint of endpoints) if (endpoint.form) declare(forms, endpoint);
  });
  await app.register(models, { route });
  await app.register(passthrough, { route, proxy });

  function declare(scope: FastifyInstance, endpoint: Endpoint): void {
    const schema = { body: endpoint.body };
    const summary = `OpenAI's ${endpoint.path.slice(1)}, routed by \`model\``;
    const own = { ...route, schema, config: { gateway: { ...config.gateway, summary } } };
    scope.post(`/v1${endpoint.path}`, own, (request, reply) => proxy.byModel(request, reply, endpoint));
  }
}

/** A host's `handlerTimeout` would cut a long answer. Fastify's types leave it out of `initialConfig`. */
function hasHandlerTimeout(app: FastifyInstance): boolean {
  const { initialConfig } = app;
  return 'handlerTimeout' in initialConfig && Number(initialConfig.handlerTimeout) > 0;
}

export default fp(openaiPlugin, {
  fastify: '5.x',
  name: 'gateway-openai',
  encapsulate: true,
  decorators: { fastify: ['gatewayRouter', 'gatewayUpstream'], request: ['exchange'] },
});
