import type { FastifyPluginAsync } from 'fastify';
import fp from 'fastify-plugin';
import type { Config, DatabaseConfig } from '../src/config.js';
import { noLedger, openLedger } from '../src/db/ledger.js';
import { PLAIN_RULES } from '../src/payloads/prepare.js';
import { workersOf } from './workers.js';

/** Options of the persistence plugin. */
export interface PersistenceOptions extends Partial<Pick<Config, 'keys' | 'providers'>> {
  /** Where exchanges are stored, or false for nowhere. */
  database: false | (Pick<DatabaseConfig, 'path' | 'durability'> & Partial<DatabaseConfig>);
}

/**
 * Opens the ledger as `app.gatewayLedger` and closes it last of all: nothing recorded while the server drains
 * is lost. Rejects with `LLM_GATEWAY_DATABASE` when the database cannot be opened.
 *
 * ```ts
 * await app.register(persistence, { database: { path: './data/gateway.db', durability: 'relaxed', capture: 'none' } });
 * ```
 */
const persistence: FastifyPluginAsync<PersistenceOptions> = async (app, options) => {
  const { database } = options;
  const workers = workersOf(app);
  const ledger = database
    ? openLedger({
        path: database.path,
        durability: database.durability,
        logger: app.log,
        payloads: {
          maxBytes: database.maxPayload ?? PLAIN_RULES.maxBytes,
          events: database.captureEvents ?? PLAIN_RULES.events,
          paths: database.redact ?? PLAIN_RULES.paths,
          secrets: secretsOf(options),
        },
        ...(database.retention !== undefined && workers.isFirst && { retention: database.retention }),
      })
    : noLedger();
  const ownFlush = async () => {
    await ledger.flush();
    return ledger.health().status;
  };
  workers.answer('flush', ownFlush);
  app.decorate('gatewayLedger', workers.count === 1 ? ledger : { ...ledger, flush: flushAll });
  app.addHook('onClose', () => ledger.close());
  // Its thread takes about 0.1 s to start, and no exchange should wait so long to be safe.
  await ledger.flush();

  /** What any of the workers has recorded. */
  async function flushAll(): Promise<void> {
    await Promise.all([ledger.flush(), workers.ask('flush')]);
  }
};

/** Every credential that the gateway knows. */
function secretsOf({ keys = [], providers = {} }: PersistenceOptions): string[] {
  const all = [...keys.map(({ key }) => key), ...Object.values(providers).map(({ apiKey }) => apiKey)];
  return all.filter((secret) => secret !== null);
}

export default fp(persistence, { name: 'gateway-persistence', fastify: '5.x' });
