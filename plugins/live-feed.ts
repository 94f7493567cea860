import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import Type from 'typebox';
import { settledSummary } from '../src/db/present.js';
import { GatewayError } from '../src/errors.js';
import { createFeed } from '../src/feed.js';
import { forcedFilter } from '../src/keys/caller.js';
import '../src/types.js';
import { ownOnly, readable } from './replies.js';
import { workersOf } from './workers.js';

/** Each has a connection and a buffer. */
const MAX_READERS = 100;
/** Of callers that read what is their own only: one of them is not to take the places of all. */
const MAX_OWN_READERS = 10;

/** As long as a timer can run: a feed has no end. */
const NO_HANDLER_TIMEOUT_MS = 2 ** 31 - 1;

const response = {
  200: Type.String({
    description:
      'Server-sent events named "exchange", each with one exchange as in the list. A reader that falls behind is disconnected.',
  }),
};

const options = {
  config: readable('Exchanges when they are over, as server-sent events'),
  schema: { response },
  handlerTimeout: NO_HANDLER_TIMEOUT_MS,
  logLevel: 'warn' as const,
  // The answer to a HEAD request would be read to an end that never comes.
  exposeHeadRoute: false,
  // A host's compression would hold events back.
  compress: false as const,
};

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

/** `GET /stats/live`: every exchange when it is over, as server-sent events. Works without a database. */
async function liveFeed(app: FastifyInstance): Promise<void> {
  const { feed: shared } = workersOf(app);
  const feed = createFeed(undefined, (size) => shared.want(size > 0));
  shared.onItem(({ data, subject }) => feed.publish('exchange', data, subject));
  const stop = app.gatewayExchanges.onSettled((exchange) => {
    if (feed.size === 0 && !shared.isWanted) return;
    const summary = settledSummary(exchange);
    if (summary === null) return;
    const [data, subject] = [JSON.stringify(summary), summary.key ?? ''];
    feed.publish('exchange', data, subject);
    if (shared.isWanted) shared.publish({ data, subject });
  });
  // A reader never leaves by itself, so the server would wait for it.
  app.addHook('preClose', async () => {
    stop();
    feed.close();
  });

  app.get('/stats/live', options, (request, reply) => {
    const { key } = ownOnly(request);
    if (feed.size >= MAX_READERS) throw full(`There are ${MAX_READERS} readers already.`);
    if (key !== undefined && feed.sizeOf(key) >= MAX_OWN_READERS) {
      throw full(`This API key has ${MAX_OWN_READERS} readers already.`);
    }
    // It ends with the server, which would otherwise wait for the connection to be idle for long enough.
    if (request.raw.httpVersionMajor === 1) reply.header('connection', 'close');
    return reply.headers(headers).send(feed.open(key, () => seesTheSame(request, key)));
  });
}

function full(message: string): GatewayError {
  return new GatewayError('no_available_target', message, { retryAfterMs: 10_000 });
}

/** Whether the caller would be shown the same if it asked now: keys are revoked, and their scopes changed. */
function seesTheSame(request: FastifyRequest, key: string | undefined): boolean {
  // A host may register the feed without any keys.
  if (request.gatewayCaller == null) return true;
  const caller = request.gatewayCallerNow();
  return caller !== null && forcedFilter(caller)?.key === key;
}

export default fp(liveFeed, {
  fastify: '5.x',
  name: 'gateway-live-feed',
  decorators: { fastify: ['gatewayExchanges'] },
});
