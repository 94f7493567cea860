import sensible from '@fastify/sensible';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import Type from 'typebox';
import { ExchangeDetailSchema, ExchangePageSchema, ledgerState, StatsSchema } from '../src/db/answers.js';
import { parseExchangeQuery, parseTotalsQuery, type RawQuery } from '../src/db/queries.js';
import type { Dimension } from '../src/db/reports.js';
import { forcedFilter } from '../src/keys/caller.js';
import { QueryError } from '../src/window.js';

const Text = Type.Optional(Type.String());
const WindowQuery = Type.Object({ since: Text, until: Text });
const StatsQuery = Type.Object({ since: Text, until: Text, group_by: Text });
const ExchangesQuery = Type.Object({
  limit: Text,
  cursor: Text,
  provider: Text,
  model: Text,
  route: Text,
  outcome: Text,
  since: Text,
  until: Text,
});
const ExchangeParams = Type.Object({ id: Type.String() });

const GROUPED: readonly [url: string, dimension: Dimension][] = [
  ['/stats/providers', 'provider'],
  ['/stats/models', 'model'],
  ['/stats/routes', 'route'],
];

const config = { gateway: { scope: 'own', record: false } } as const;

/** The JSON stats API over `app.gatewayLedger`; decorates `app.gatewayStats`. */
const stats: FastifyPluginAsyncTypebox = async (app) => {
  if (!app.hasDecorator('httpErrors')) await app.register(sensible);
  app.decorate('gatewayStats', app.gatewayLedger.reports);
  app.register(routes);
};

/** A scope of its own, so that its hook stays with these routes. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const ledger = app.gatewayLedger;

  app.addHook('preHandler', async () => {
    if (ledger.path === null) {
      throw app.httpErrors.notFound(
        'the ledger is off: set "database" in the configuration to record exchanges',
      );
    }
    // What was answered before this request is counted in its answer.
    await ledger.flush();
  });

  const answer = async (request: FastifyRequest, raw: RawQuery, grouping?: Dimension) => {
    const parsed = understood(app, () => parseTotalsQuery(raw, Date.now(), grouping));
    const query = { ...parsed, ...ownOnly(request) };
    const { totals, data } = await app.gatewayStats.totals(query);
    return {
      since: new Date(query.window.since).toISOString(),
      until: new Date(query.window.until).toISOString(),
      group_by: query.groupBy,
      totals,
      data,
      next_cursor: null,
      ledger: ledgerState(ledger.health()),
    };
  };

  app.get(
    '/stats',
    { config, schema: { querystring: StatsQuery, response: { 200: StatsSchema } } },
    async (request) => answer(request, request.query),
  );

  for (const [url, dimension] of GROUPED) {
    const schema = { querystring: WindowQuery, response: { 200: StatsSchema } };
    app.get(url, { config, schema }, async (request) => answer(request, request.query, dimension));
  }

  app.get(
    '/exchanges',
    { config, schema: { querystring: ExchangesQuery, response: { 200: ExchangePageSchema } } },
    async (request) => {
      const query = understood(app, () => parseExchangeQuery(request.query, Date.now()));
      return app.gatewayStats.exchanges({ ...query, filter: { ...query.filter, ...ownOnly(request) } });
    },
  );

  app.get(
    '/exchanges/:id',
    { config, schema: { params: ExchangeParams, response: { 200: ExchangeDetailSchema } } },
    async (request) => {
      const exchange = await app.gatewayStats.exchange(request.params.id);
      const { key } = ownOnly(request);
      if (!exchange || (key !== undefined && exchange.key !== key))
        throw app.httpErrors.notFound(`There is no exchange ${JSON.stringify(request.params.id)}.`);
      return exchange;
    },
  );
};

/** A caller that may not read everything sees what its own key has left. */
function ownOnly({ gatewayCaller }: FastifyRequest): { key?: string } {
  // A host may register this without any keys.
  return gatewayCaller == null ? {} : (forcedFilter(gatewayCaller) ?? {});
}

/** The caller's mistakes become a 400 with their own message. */
function understood<Query>(app: FastifyInstance, parse: () => Query): Query {
  try {
    return parse();
  } catch (error) {
    if (error instanceof QueryError) {
      throw app.httpErrors.createError(400, error.message, { param: error.param });
    }
    throw error;
  }
}

export default fp(stats, {
  name: 'gateway-stats',
  fastify: '5.x',
  decorators: { fastify: ['gatewayLedger'] },
});
