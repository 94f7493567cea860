import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { createRouter } from '../src/routing/router.js';
import '../src/types.js';

/** Options of the routing plugin; a parsed `Config` fits. */
export type RoutingOptions = Pick<Config, 'providers' | 'routes' | 'defaultRoute' | 'passthroughProvider'>;

/** Decorates `app.gatewayRouter`: model names to targets, and what is known about each target's availability. */
async function routingPlugin(app: FastifyInstance, options: RoutingOptions): Promise<void> {
  app.decorate('gatewayRouter', createRouter(options));
}

export default fp(routingPlugin, { fastify: '5.x', name: 'gateway-routing' });
