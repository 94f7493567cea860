import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { expectPrices } from '../src/prices/price-of.js';
import { createRouter, type RouterConfig } from '../src/routing/router.js';
import '../src/types.js';

/** Options of the routing plugin; a parsed `Config` fits. */
export type RoutingOptions = RouterConfig;

/** Decorates `app.gatewayRouter`: model names to targets, and what is known about each target's availability. */
async function routingPlugin(app: FastifyInstance, options: RoutingOptions): Promise<void> {
  app.decorate('gatewayRouter', createRouter(options));
  // Not at start-up, which it would delay, and rather not within the first request either.
  app.addHook('onListen', async () => {
    setImmediate(() => expectPrices(options)).unref();
  });
}

export default fp(routingPlugin, { fastify: '5.x', name: 'gateway-routing' });
