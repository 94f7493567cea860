import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import Type from 'typebox';
import { LedgerStateSchema, ledgerState } from '../src/db/answers.js';
import type { GatewayRouteConfig } from '../src/types.js';
import { healthOfAll } from '../src/workers/health.js';
import { workersOf } from './workers.js';

const config = (summary: string): { gateway: GatewayRouteConfig } => ({
  gateway: { scope: 'none', record: false, summary },
});

const HealthSchema = Type.Object({
  /**
   * `degraded` while the database cannot be written: exchanges are served, and wait to be recorded; or while one of
   * the workers does not answer.
   */
  status: Type.Enum(['ok', 'degraded']),
  in_flight: Type.Number(),
  ledger: LedgerStateSchema,
  /** Processes: how many there should be, and how many answer. Only when there is more than one. */
  workers: Type.Optional(Type.Object({ configured: Type.Number(), answering: Type.Number() })),
});

const ReadySchema = Type.Object({
  status: Type.Enum(['ready', 'not_ready']),
  /** Null when there is none, by choice. */
  database: Type.Unsafe<boolean | null>({ type: ['boolean', 'null'] }),
  target: Type.Boolean(),
  draining: Type.Boolean(),
});

/** `GET /health`: the process is alive. `GET /ready`: it can answer, so traffic may be sent to it. */
async function healthPlugin(app: FastifyInstance): Promise<void> {
  const workers = workersOf(app);
  const ownHealth = () => ({ inFlight: app.gatewayExchanges.size, ledger: app.gatewayLedger.health() });
  workers.answer('health', async () => ownHealth());

  const health = {
    config: config('The process is alive'),
    logLevel: 'warn',
    schema: { response: { 200: HealthSchema } },
  } as const;
  app.get('/health', health, async () => {
    const { answers } = await workers.ask('health');
    const { inFlight, ledger } = healthOfAll([ownHealth(), ...answers]);
    const answering = answers.length + 1;
    const isWhole = ledger.status !== 'degraded' && answering >= workers.count;
    return {
      status: isWhole ? 'ok' : 'degraded',
      in_flight: inFlight,
      ledger: ledgerState(ledger),
      ...(workers.count > 1 && { workers: { configured: workers.count, answering } }),
    };
  });

  const ready = {
    config: config('The gateway can answer, so traffic may be sent to it'),
    logLevel: 'warn',
    schema: { response: { 200: ReadySchema, 503: ReadySchema } },
  } as const;
  app.get('/ready', ready, async (_request, reply) => {
    const { status } = app.gatewayLedger.health();
    // Null: there is none, by choice.
    const database = status === 'off' ? null : status === 'ok';
    const target = app.gatewayRouter.usable(Date.now());
    const { draining } = app.gatewayExchanges;
    const isReady = database !== false && target && !draining;
    return reply
      .code(isReady ? 200 : 503)
      .send({ status: isReady ? 'ready' : 'not_ready', database, target, draining });
  });
}

export default fp(healthPlugin, {
  fastify: '5.x',
  name: 'gateway-health',
  decorators: { fastify: ['gatewayLedger', 'gatewayExchanges', 'gatewayRouter'] },
});
