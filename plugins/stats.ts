import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import Type from 'typebox';
import { ledgerState, SessionPageSchema, StatsSchema } from '../src/db/answers.js';
import { parseSessionQuery, parseTotalsQuery, type RawQuery } from '../src/db/queries.js';
import type { Dimension } from '../src/db/reports.js';
import { httpErrors } from '../src/http-errors.js';
import { healthOfAll } from '../src/workers/health.js';
import exchanges from './exchanges.js';
import { ownOnly, readable, sendJson, understood } from './replies.js';
import { workersOf } from './workers.js';

const text = (description: string) => Type.Optional(Type.String({ description }));

const WINDOW = {
  since: text(
    'ISO 8601, epoch milliseconds, or a span back from now such as 24h; 24h by default. Widened to the minute within the last 48 hours, to the hour before that.',
  ),
  until: text('The same; now by default.'),
};
const STATS = {
  ...WINDOW,
  interval: text('Adds a time series with a point for each minute, 5m, 15m, hour, 6h or day, UTC.'),
  provider: text('Only exchanges that ended at this provider, and attempts made there.'),
  model: text('The same for a model.'),
  route: text('The same for a route.'),
  key: text('Only exchanges of the API key of this name.'),
  outcome: text('ok, rejected, failed, aborted or truncated.'),
  streaming: text('true or false.'),
};
const StatsQuery = Type.Object({
  ...STATS,
  group_by: text('Any of provider, model, route, key, outcome and streaming, separated by commas.'),
});
const GroupedQuery = Type.Object(STATS);
const SessionsQuery = Type.Object({
  ...WINDOW,
  limit: text('1 to 500, 50 by default.'),
  cursor: text('The next_cursor of the page before.'),
});

const GROUPED: readonly [url: string, dimension: Dimension][] = [
  ['/stats/providers', 'provider'],
  ['/stats/models', 'model'],
  ['/stats/routes', 'route'],
  ['/stats/keys', 'key'],
];

interface Read {
  Querystring: RawQuery;
}

/** The JSON stats API over `app.gatewayLedger`, and the exchanges; decorates `app.gatewayStats`. */
async function stats(app: FastifyInstance): Promise<void> {
  app.decorate('gatewayStats', app.gatewayLedger.reports);
  app.register(routes);
}

/** A scope of its own, so that its hook stays with these routes. */
async function routes(app: FastifyInstance): Promise<void> {
  const ledger = app.gatewayLedger;
  const workers = workersOf(app);

  app.addHook('preHandler', async () => {
    if (ledger.path === null) {
      throw httpErrors().notFound(
        'the ledger is off: set "database" in the configuration to record exchanges',
      );
    }
    // What was answered before this request is counted in its answer.
    await ledger.flush();
  });

  /** The reader makes the JSON of the statistics, which can be megabytes; here it gets its frame. */
  async function answer(request: FastifyRequest<Read>, reply: FastifyReply, grouping?: Dimension) {
    const parsed = understood(() => parseTotalsQuery(request.query, Date.now(), grouping));
    const query = { ...parsed, filter: { ...parsed.filter, ...ownOnly(request) } };
    const statistics = await app.gatewayStats.json({ report: 'totals', query });
    const others = await workers.ask('health');
    const { ledger: state } = healthOfAll([{ inFlight: 0, ledger: ledger.health() }, ...others.answers]);
    const frame = JSON.stringify({
      since: new Date(query.window.since).toISOString(),
      until: new Date(query.window.until).toISOString(),
      group_by: query.groupBy,
      interval_ms: query.step ?? null,
      ledger: ledgerState(state),
      next_cursor: null,
    });
    // Both are objects: the brace between them gives way to a comma.
    return sendJson(reply, Buffer.concat([Buffer.from(`${frame.slice(0, -1)},`), statistics.subarray(1)]));
  }

  app.get<Read>(
    '/stats',
    {
      config: readable('Totals of a window, in groups and as a time series'),
      schema: { querystring: StatsQuery, response: { 200: StatsSchema } },
    },
    answer,
  );

  for (const [url, dimension] of GROUPED) {
    const schema = { querystring: GroupedQuery, response: { 200: StatsSchema } };
    app.get<Read>(url, { config: readable(`GET /stats grouped by ${dimension}`), schema }, (request, reply) =>
      answer(request, reply, dimension),
    );
  }

  app.get<Read>(
    '/stats/sessions',
    {
      config: readable(
        'Sessions with exchanges in a window, the latest first, with sums over stored exchanges',
      ),
      schema: { querystring: SessionsQuery, response: { 200: SessionPageSchema } },
    },
    async (request, reply) => {
      const parsed = understood(() => parseSessionQuery(request.query, Date.now()));
      const query = { ...parsed, ...ownOnly(request) };
      return sendJson(reply, await app.gatewayStats.json({ report: 'sessions', query }));
    },
  );

  await app.register(exchanges);
}

export default fp(stats, {
  name: 'gateway-stats',
  fastify: '5.x',
  decorators: { fastify: ['gatewayLedger'] },
});
