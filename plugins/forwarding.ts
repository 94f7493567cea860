import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { createDiscovery } from '../src/routing/discovery.js';
import { createUpstream, type ForwardingConfig } from '../src/upstream/forward.js';
import '../src/types.js';

/** Options of the forwarding plugin; a parsed `Config` fits. */
export type ForwardingOptions = ForwardingConfig;

/**
 * Decorates `app.gatewayUpstream`: connections to the providers, attempts in order until one answers, streaming.
 * Connections close with the app.
 */
async function forwardingPlugin(app: FastifyInstance, options: ForwardingOptions): Promise<void> {
  const upstream = createUpstream(options, app.gatewayRouter);
  app.decorate('gatewayUpstream', upstream);
  const discovery = createDiscovery({
    providers: options.providers,
    fetchModels: upstream.fetchModels,
    onModels: app.gatewayRouter.discovered,
    onFailure: (provider, err) => app.log.warn({ provider, err }, 'llm-gateway could not read the models'),
    random: Math.random,
  });
  app.addHook('onReady', async () => discovery.start());
  app.addHook('onClose', async () => {
    discovery.stop();
    await upstream.close();
  });
}

export default fp(forwardingPlugin, {
  fastify: '5.x',
  name: 'gateway-forwarding',
  decorators: { fastify: ['gatewayRouter'] },
});
