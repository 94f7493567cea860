import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { GatewayRouteConfig } from '../src/types.js';

const config: { gateway: GatewayRouteConfig } = { gateway: { scope: 'none', record: false } };

/** `GET /health`: the process is alive. `GET /ready`: it can answer, so traffic may be sent to it. */
async function healthPlugin(app: FastifyInstance): Promise<void> {
  app.get('/health', { config, logLevel: 'warn' }, async () => {
    const ledger = app.gatewayLedger.health();
    const { status, queued, written, dropped } = ledger;
    return {
      status: status === 'degraded' ? 'degraded' : 'ok',
      in_flight: app.gatewayExchanges.size,
      ledger: { status, queued, written, dropped },
    };
  });

  app.get('/ready', { config, logLevel: 'warn' }, async (_request, reply) => {
    const database = app.gatewayLedger.health().status !== 'degraded';
    const target = app.gatewayRouter.usable(Date.now());
    const ready = database && target;
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not_ready', database, target });
  });
}

export default fp(healthPlugin, {
  fastify: '5.x',
  name: 'gateway-health',
  decorators: { fastify: ['gatewayLedger', 'gatewayExchanges', 'gatewayRouter'] },
});
