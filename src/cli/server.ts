import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify';
import { type DestinationStream, destination, levels, pino } from 'pino';
import { errorBody } from '../errors.js';
import { CommandError } from './failure.js';

/** For the whole request to arrive: 32 MiB over a slow line. How long the answer takes is another matter. Milliseconds. */
const REQUEST_TIMEOUT_MS = 600_000;

/** A Fastify instance that will serve the gateway and nothing else. Throws a CommandError for an unknown LOG_LEVEL. */
export async function createServer(): Promise<FastifyInstance> {
  const level = logLevel();
  const own = pino({ level }, await logStream());
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
  });
}

/** What cannot be routed at all, such as `/%zz`, never reaches the gateway's own error handler. */
function answerBadUrl(error: FastifyError, _request: unknown, reply: Pick<FastifyReply, 'raw'>): void {
  const body = JSON.stringify(errorBody('invalid_request_error', error.message));
  reply.raw
    .writeHead(error.statusCode ?? 400, { 'content-type': 'application/json; charset=utf-8' })
    .end(body);
}

function logLevel(): string {
  const level = process.env.LOG_LEVEL || 'info';
  const known = [...Object.values(levels.labels), 'silent'];
  if (known.includes(level)) return level;
  throw new CommandError(
    `the environment variable LOG_LEVEL must be one of ${known.join(', ')}, got "${level}"`,
  );
}

/** JSON lines on stdout, or readable ones when somebody is watching. */
async function logStream(): Promise<DestinationStream> {
  if (!process.stdout.isTTY) return destination(1);
  const { default: pretty } = await import('pino-pretty');
  return pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' });
}
