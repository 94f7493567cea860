import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { createKeys } from '../src/keys/keys.js';
import '../src/types.js';
import { workersOf } from './workers.js';

/** Options of the keys plugin; a parsed `Config` fits. */
export type KeysOptions = Pick<Config, 'keys' | 'keySecret'>;

/**
 * Decorates `app.gatewayKeys`: the keys of the configuration, and those of the database if there is one. What another
 * process changes there is known two seconds later; what another worker of this gateway changes, at once.
 */
async function keysPlugin(app: FastifyInstance, config: KeysOptions): Promise<void> {
  const ledger =
    app.hasDecorator('gatewayLedger') && app.gatewayLedger.path !== null ? app.gatewayLedger : null;
  const workers = workersOf(app);
  const keys = createKeys({ config, ledger, logger: app.log, onChange: () => workers.ask('keys') });
  app.decorate('gatewayKeys', keys);
  if (ledger === null) return;
  workers.answer('keys', async () => {
    await keys.refresh();
    return null;
  });
  // First the watch: what is written while the keys are read is seen then.
  const stop = ledger.watch(() => void keys.refresh());
  app.addHook('onClose', async () => stop());
  await keys.refresh();
}

export default fp(keysPlugin, { fastify: '5.x', name: 'gateway-keys' });
