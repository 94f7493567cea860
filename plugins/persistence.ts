import type { FastifyPluginAsync } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { noLedger, openLedger } from '../src/db/ledger.js';

/** Options of the persistence plugin. */
export interface PersistenceOptions {
  /** Where exchanges are stored, or false for nowhere. */
  database: Config['database'];
}

/**
 * Opens the ledger as `app.gatewayLedger` and closes it last of all: nothing recorded while the server drains
 * is lost. Rejects with `LLM_GATEWAY_DATABASE` when the database cannot be opened.
 *
 * ```ts
 * await app.register(persistence, { database: { path: './data/gateway.db', durability: 'relaxed', capture: 'none' } });
 * ```
 */
const persistence: FastifyPluginAsync<PersistenceOptions> = async (app, { database }) => {
  const ledger = database
    ? openLedger({ path: database.path, durability: database.durability, logger: app.log })
    : noLedger();
  app.decorate('gatewayLedger', ledger);
  app.addHook('onClose', () => ledger.close());
  // Its thread takes about 0.1 s to start, and no exchange should wait so long to be safe.
  await ledger.flush();
};

export default fp(persistence, { name: 'gateway-persistence', fastify: '5.x' });
