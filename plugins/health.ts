import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { ledgerState } from '../src/db/answers.js';
import type { GatewayRouteConfig } from '../src/types.js';

const config: { gateway: GatewayRouteConfig } = { gateway: { scope: 'none', record: false } };

/** `GET /health`: the process is alive. `GET /ready`: it can answer, so traffic may be sent to it. */
async function healthPlugin(app: FastifyInstance): Promise<void> {
  app.get('/health', { config, logLevel: 'warn' }, async () => {
    const ledger = ledgerState(app.gatewayLedger.health());
    return {
      status: ledger.status === 'degraded' ? 'degraded' : 'ok',
      in_flight: app.gatewayExchanges.size,
      ledger,
    };
  });

  app.get('/ready', { config, logLevel: 'warn' }, async (_request, reply) => {
    const { status } = app.gatewayLedger.health();
    // Null: there is none, by choice.
    const database = status === 'off' ? null : status === 'ok';
    const target = app.gatewayRouter.usable(Date.now());
    const { draining } = app.gatewayExchanges;
    const ready = database !== false && target && !draining;
    return reply
      .code(ready ? 200 : 503)
      .send({ status: ready ? 'ready' : 'not_ready', database, target, draining });
  });
}

export default fp(healthPlugin, {
  fastify: '5.x',
  name: 'gateway-health',
  decorators: { fastify: ['gatewayLedger', 'gatewayExchanges', 'gatewayRouter'] },
});
