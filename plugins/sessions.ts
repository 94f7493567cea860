import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import Type from 'typebox';
import type { RawQuery } from '../src/db/queries.js';
import {
  SessionDetailSchema,
  SessionListSchema,
  type SessionName,
  SessionRemovalSchema,
} from '../src/db/session-answers.js';
import { parseDetailQuery, parseKey, parseListQuery, parseRemovalQuery } from '../src/db/session-queries.js';
import { httpErrors } from '../src/http-errors.js';
import { QueryError } from '../src/window.js';
import { ownOnly, readable, removable, understood } from './replies.js';

const text = (description: string) => Type.Optional(Type.String({ description }));

const KEY = {
  key: text('The name of the API key that the session belongs to; empty for callers without one.'),
};
const PAGE = {
  limit: text('1 to 500, 50 by default.'),
  cursor: text('The next_cursor of the page before.'),
};
const ListQueryString = Type.Object({ ...KEY, ...PAGE });
const RemovalQueryString = Type.Object(KEY);

interface List {
  Querystring: RawQuery;
}
/** Ids are the callers' own: they may be longer than Fastify lets a parameter be, and hold slashes. */
interface One {
  Params: { '*': string };
  Querystring: RawQuery;
}

/** Conversations by the id that callers gave: list, detail, removal. */
async function sessions(app: FastifyInstance): Promise<void> {
  app.register(routes);
}

/** A scope of its own, so that its hook stays with these routes. */
async function routes(app: FastifyInstance): Promise<void> {
  const { sessions: stored } = app.gatewayLedger;

  // What was answered before this request is part of its answer.
  app.addHook('preHandler', () => app.gatewayLedger.flush());

  app.get<List>(
    '/sessions',
    {
      config: readable('Sessions, the most recently used first, with all that was ever counted of them'),
      schema: { querystring: ListQueryString, response: { 200: SessionListSchema } },
    },
    async (request) =>
      stored.list({ ...understood(() => parseListQuery(request.query)), ...ownOnly(request) }),
  );

  app.get<One>(
    '/sessions/*',
    {
      config: readable('One session with its exchanges that are still stored, the newest first'),
      schema: { querystring: ListQueryString, response: { 200: SessionDetailSchema } },
    },
    async (request) => {
      const query = understood(() => parseDetailQuery(request.query));
      const session = await nameOf(request.params['*'], ownOnly(request).key ?? request.query.key);
      return (await stored.find({ ...query, session })) ?? missing(session.id);
    },
  );

  app.delete<One>(
    '/sessions/*',
    {
      config: removable('Removes a session and its stored bodies; its exchanges and every sum stay'),
      schema: { querystring: RemovalQueryString, response: { 200: SessionRemovalSchema } },
    },
    async (request) => {
      understood(() => parseRemovalQuery(request.query));
      const session = await nameOf(request.params['*'], request.query.key);
      const { id, key } = session;
      if ((await stored.find({ session, limit: 1, before: null })) === null) missing(id);
      const { exchanges, payloads } = await stored.remove(session);
      return { id, key: key || null, exchanges_detached: exchanges, payloads_removed: payloads };
    },
  );

  /** Two callers may use the same id: then the key has to be named. */
  async function nameOf(id: string, given: unknown): Promise<SessionName> {
    const key = understood(() => parseKey(given));
    if (key !== null) return { id, key };
    const [only, other] = await stored.keysOf(id);
    if (only === undefined) return missing(id);
    return understood(() => {
      if (other === undefined) return { id, key: only };
      throw new QueryError('key', 'key must be given: several keys have a session of this id');
    });
  }

  function missing(id: string): never {
    throw httpErrors().notFound(`There is no session ${JSON.stringify(id.slice(0, 200))}.`);
  }
}

export default fp(sessions, {
  name: 'gateway-sessions',
  fastify: '5.x',
  decorators: { fastify: ['gatewayLedger'] },
});
