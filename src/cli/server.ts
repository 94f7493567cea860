import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify';
import { errorBody } from '../errors.js';
import { createLogger } from './logger.js';

/** For the whole request to arrive: 32 MiB over a slow line. How long the answer takes is another matter. Milliseconds. */
const REQUEST_TIMEOUT_MS = 600_000;

/** A Fastify instance that will serve the gateway and nothing else. Throws a CommandError for an unknown LOG_LEVEL. */
export async function createServer(): Promise<FastifyInstance> {
  const own = await createLogger();
  const logger: FastifyBaseLogger = own;
  const debugs = own.isLevelEnabled('debug');
  return Fastify({
    loggerInstance: logger,
    // Every exchange is in the ledger; a pair of log lines for each would cost more than the rest of the gateway.
    logController: new LogController({ disableRequestLogging: true }),
    // What is logged of a request that failed names its exchange, so a logger for each would be made for nothing.
    childLoggerFactory: (parent, bindings, options) => (debugs ? parent.child(bindings, options) : parent),
    requestTimeout: REQUEST_TIMEOUT_MS,
    // The gateway answers them itself, in its own words, and records them.
    return503OnClosing: false,
    // Closing comes after the drain, so every exchange is over. A connection that a client opened in advance and
    // never used would otherwise hold the process for a minute.
    forceCloseConnections: true,
    frameworkErrors: answerBadUrl,
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
  });
}

/** Every route is in the gateway's scope, which has its own. By default Fastify would load Ajv and two code generators. */
function noCompiler(): never {
  throw new Error('a route outside the scope of the gateway has a schema');
}

/** What cannot be routed at all, such as `/%zz`, never reaches the gateway's own error handler. */
function answerBadUrl(error: FastifyError, _request: unknown, reply: Pick<FastifyReply, 'raw'>): void {
  const body = JSON.stringify(errorBody('invalid_request_error', error.message));
  reply.raw
    .writeHead(error.statusCode ?? 400, { 'content-type': 'application/json; charset=utf-8' })
    .end(body);
}
