import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { expectPrices } from '../src/prices/price-of.js';
import { keepAvailability } from '../src/routing/keeping.js';
import { createRouter, type RouterConfig } from '../src/routing/router.js';
import '../src/types.js';
import { workersOf } from './workers.js';

/** Options of the routing plugin; a parsed `Config` fits. */
export type RoutingOptions = RouterConfig;

/**
 * Decorates `app.gatewayRouter`: model names to targets, and what is known about each target's availability, which is
 * kept in the ledger over a restart when there is one.
 */
async function routingPlugin(app: FastifyInstance, options: RoutingOptions): Promise<void> {
  const workers = workersOf(app);
  const router = createRouter(options, Math.random, workers.sharing('availability'));
  app.decorate('gatewayRouter', router);
  // Not at start-up, which it would delay, and rather not within the first request either.
  app.addHook('onListen', async () => {
    setImmediate(() => expectPrices(options)).unref();
  });
  // The first worker keeps what all know.
  if (!app.hasDecorator('gatewayLedger') || !workers.isFirst) return;
  const keeping = keepAvailability(router.availability, app.gatewayLedger.memory, (err) =>
    app.log.warn({ err }, 'llm-gateway could not keep what it knows about its providers'),
  );
  await keeping.start(workers.isFresh);
  app.addHook('onClose', () => keeping.stop());
}

export default fp(routingPlugin, { fastify: '5.x', name: 'gateway-routing' });
