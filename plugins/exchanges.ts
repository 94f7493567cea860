import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { ExchangeDetailSchema, ExchangePageSchema } from '../src/db/answers.js';
import { exportHead } from '../src/db/export.js';
import { parseExchangeQuery, parseExportQuery, type RawQuery } from '../src/db/queries.js';
import type { ExportPart, ExportQuery } from '../src/db/reports.js';
import { httpErrors } from '../src/http-errors.js';
import { ownOnly, readable, removable, sendJson, understood } from './replies.js';

const text = (description: string) => Type.Optional(Type.String({ description }));

const FILTERS = {
  provider: text('The provider that ended the exchange.'),
  model: text('Its model.'),
  route: text('The route that led there.'),
  key: text('The name of the API key.'),
  session: text('The id of the session.'),
  outcome: text('ok, rejected, failed, aborted or truncated.'),
  status: text('The HTTP status the client got.'),
  min_total_ms: text('Only exchanges that took at least so many milliseconds.'),
  error: text('A part of the error code or the error message.'),
  since: text('ISO 8601, epoch milliseconds, or a span back from now such as 24h.'),
  until: text('The same.'),
  sort: text('-started_at (the newest first, the default) or started_at.'),
};
const ListQuery = Type.Object({
  ...FILTERS,
  limit: text('1 to 500, 50 by default.'),
  cursor: text('The next_cursor of the page before.'),
});
const ExportQueryString = Type.Object({ ...FILTERS, format: text('jsonl (the default) or csv.') });
const ExchangeParams = Type.Object({ id: Type.String() });

const TYPES = { jsonl: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8' };

interface Read {
  Querystring: RawQuery;
}
interface One {
  Params: { id: string };
}

/** `/exchanges`: lists, one of them, its removal, and the export. */
export default async function exchanges(app: FastifyInstance): Promise<void> {
  const exports = new Set<Readable>();
  // An export may take as long as its reader likes, and the shutdown does not wait for it.
  app.addHook('preClose', async () => {
    for (const stream of exports) stream.destroy(new Error('the gateway is shutting down'));
  });

  app.get<Read>(
    '/exchanges',
    {
      config: readable('A page of exchanges; it may be short and still have a next one'),
      schema: { querystring: ListQuery, response: { 200: ExchangePageSchema } },
    },
    async (request, reply) => {
      const query = understood(() => parseExchangeQuery(request.query, Date.now()));
      query.filter = { ...query.filter, ...ownOnly(request) };
      return sendJson(reply, await app.gatewayStats.json({ report: 'exchanges', query }));
    },
  );

  app.get<Read>(
    '/exchanges/export',
    {
      config: readable('Every exchange that the filters match, as JSON lines or CSV'),
      schema: {
        querystring: ExportQueryString,
        response: { 200: Type.String({ description: 'One exchange on each line.' }) },
      },
    },
    async (request, reply) => {
      const query = understood(() => parseExportQuery(request.query, Date.now()));
      query.filter = { ...query.filter, ...ownOnly(request) };
      // The first part comes before the headers, so that a ledger that cannot be read is a 503.
      const first = await app.gatewayStats.export(query);
      const stream = Readable.from(partsOf(query, first));
      exports.add(stream);
      stream.once('close', () => exports.delete(stream));
      return reply
        .type(TYPES[query.format])
        .header('content-disposition', `attachment; filename="exchanges.${query.format}"`)
        .send(stream);
    },
  );

  async function* partsOf(query: ExportQuery, first: ExportPart): AsyncGenerator<string> {
    const head = exportHead(query.format);
    if (head !== '') yield head;
    for (let part = first; ; part = await app.gatewayStats.export({ ...query, after: part.after })) {
      if (part.text !== '') yield part.text;
      if (part.after === null) return;
    }
  }

  app.get<One>(
    '/exchanges/:id',
    {
      config: readable('One exchange with its attempts'),
      schema: { params: ExchangeParams, response: { 200: ExchangeDetailSchema } },
    },
    async (request) => {
      const { id } = request.params;
      const exchange = await app.gatewayStats.exchange(id);
      const { key } = ownOnly(request);
      return exchange === null || (key !== undefined && exchange.key !== key) ? missing(id) : exchange;
    },
  );

  app.delete<One>(
    '/exchanges/:id',
    {
      config: removable('Removes an exchange; what it added to the statistics stays'),
      schema: { params: ExchangeParams, response: { 204: Type.Null({ description: 'It is gone.' }) } },
    },
    async (request, reply) => {
      const { id } = request.params;
      return (await app.gatewayStats.remove(id)) ? reply.code(204).send() : missing(id);
    },
  );

  function missing(id: string): never {
    throw httpErrors().notFound(`There is no exchange ${JSON.stringify(id)}.`);
  }
}
