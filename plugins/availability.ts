import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

const config = {
  gateway: { scope: 'read', record: false, summary: 'What is known now about providers and targets' },
} as const;

/** `GET /stats/availability`: what is known now about each provider and target, and who waits for them. */
async function availabilityPlugin(app: FastifyInstance): Promise<void> {
  app.get('/stats/availability', { config }, async () => ({
    data: app.gatewayRouter.availability.snapshot(Date.now()),
    queues: app.gatewayUpstream.queues(),
    next_cursor: null,
  }));
}

export default fp(availabilityPlugin, {
  fastify: '5.x',
  name: 'gateway-availability',
  decorators: { fastify: ['gatewayRouter', 'gatewayUpstream'] },
});
