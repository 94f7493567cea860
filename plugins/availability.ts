import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Questions } from '../src/workers/workers.js';
import { workersOf } from './workers.js';

const config = {
  gateway: { scope: 'read', record: false, summary: 'What is known now about providers and targets' },
} as const;

/** `GET /stats/availability`: what is known now about each provider and target, and who waits for them. */
async function availabilityPlugin(app: FastifyInstance): Promise<void> {
  const workers = workersOf(app);
  const { availability } = app.gatewayRouter;
  workers.answer('traffic', async () => ({
    inFlight: availability.inFlight(),
    waiting: Object.fromEntries(app.gatewayUpstream.queues().map(({ route, waiting }) => [route, waiting])),
  }));

  app.get('/stats/availability', { config }, async () => {
    const { answers } = await workers.ask('traffic');
    const data = availability.snapshot(Date.now()).map((row) => {
      const key = row.model === null ? row.provider : `${row.provider}/${row.model}`;
      return { ...row, in_flight: row.in_flight + sumOf(answers, ({ inFlight }) => inFlight[key]) };
    });
    const queues = app.gatewayUpstream.queues().map((row) => ({
      ...row,
      waiting: row.waiting + sumOf(answers, ({ waiting }) => waiting[row.route]),
    }));
    return { data, queues, next_cursor: null };
  });
}

function sumOf(
  answers: readonly Questions['traffic'][],
  read: (traffic: Questions['traffic']) => number | undefined,
): number {
  return answers.reduce((sum, traffic) => sum + (read(traffic) ?? 0), 0);
}

export default fp(availabilityPlugin, {
  fastify: '5.x',
  name: 'gateway-availability',
  decorators: { fastify: ['gatewayRouter', 'gatewayUpstream'] },
});
