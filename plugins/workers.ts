import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { alone, type Workers } from '../src/workers/workers.js';
import '../src/types.js';

/** Options of the workers plugin. */
export interface WorkersOptions {
  /** The other processes of a gateway that was started with `serve --workers`. Leave it out anywhere else. */
  workers?: Workers | undefined;
}

/** Decorates `app.gatewayWorkers`: the processes that serve this gateway together; usually this one alone. */
async function workersPlugin(app: FastifyInstance, { workers = alone }: WorkersOptions): Promise<void> {
  app.decorate('gatewayWorkers', workers);
  app.addHook('onReady', async () => workers.join());
}

/** For plugins that may be registered without it. */
export function workersOf(app: FastifyInstance): Workers {
  return app.hasDecorator('gatewayWorkers') ? app.gatewayWorkers : alone;
}

export default fp(workersPlugin, { fastify: '5.x', name: 'gateway-workers' });
