import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { createUpstream } from '../src/upstream/forward.js';
import '../src/types.js';

/** Options of the forwarding plugin; a parsed `Config` fits. */
export type ForwardingOptions = Pick<Config, 'providers' | 'disconnect' | 'drainLimit'>;

/**
 * Decorates `app.gatewayUpstream`: connections to the providers, attempts in order until one answers, streaming.
 * Connections close with the app.
 */
async function forwardingPlugin(app: FastifyInstance, options: ForwardingOptions): Promise<void> {
  const upstream = createUpstream(options, app.gatewayRouter);
  app.decorate('gatewayUpstream', upstream);
  app.addHook('onClose', async () => {
    await upstream.close();
  });
}

export default fp(forwardingPlugin, {
  fastify: '5.x',
  name: 'gateway-forwarding',
  decorators: { fastify: ['gatewayRouter'] },
});
