import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { cancel, type Exchange } from '../src/exchange.js';
import { createExchanges } from '../src/live.js';
import '../src/types.js';

/** Options of the exchange plugin; a parsed `Config` fits. */
export type ExchangeOptions = Pick<Config, 'drainTimeout'>;

const MAX_ID = 128;
const printable = /^[\x21-\x7e]+$/;

/**
 * Opens an exchange for every request to a recorded route or an unknown URL, and settles it exactly once:
 * on `onResponse`, or when the connection closes first. Decorates `app.gatewayExchanges` and `request.exchange`.
 */
async function exchangePlugin(app: FastifyInstance, options: ExchangeOptions): Promise<void> {
  const exchanges = createExchanges(app.gatewayLedger);
  // Counted in segments: a parameter in the prefix is as long as its value.
  const prefixDepth = app.prefix.split('/').filter((segment) => segment !== '').length;

  app.decorate('gatewayExchanges', exchanges);
  app.decorateRequest('exchange', null);
  app.addHook('onRequest', (request, reply, done) => {
    if (isRecorded(request)) open(request, reply, 0);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    // A hook of the host that runs before ours may have answered already.
    if (request.exchange === null && isRecorded(request)) {
      open(request, reply, reply.elapsedTime).delivered = true;
    }
    settle(request, reply);
    done();
  });
  app.addHook('preClose', async () => {
    await exchanges.drain(options.drainTimeout);
  });

  function open(request: FastifyRequest, reply: FastifyReply, agoMs: number): Exchange {
    const path = request.url.split('?', 1)[0] ?? '';
    const exchange = exchanges.open(
      {
        method: request.method,
        endpoint: withoutSegments(path, prefixDepth),
        correlationId: identifier(request.headers['x-request-id']),
        session: identifier(request.headers['x-session-id']),
        agoMs,
      },
      reply.raw,
    );
    exchange.bytesIn = contentLength(request.headers['content-length']);
    request.exchange = exchange;
    if (!reply.raw.headersSent) reply.header('x-request-id', exchange.id);
    // Before Fastify's own listener, which runs `onResponse`.
    reply.raw.prependOnceListener('finish', () => {
      exchange.delivered = true;
    });
    // `onResponse` never comes when the client leaves or the answer breaks off.
    reply.raw.once('close', () => {
      if (!exchange.delivered && exchange.outcome === null) cancel(exchange, 'client_gone');
      settle(request, reply);
    });
    return exchange;
  }

  function settle(request: FastifyRequest, reply: FastifyReply): void {
    if (request.exchange === null) return;
    const { raw } = reply;
    exchanges.settle(request.exchange, {
      status: raw.headersSent ? raw.statusCode : null,
      bytesOut: raw.headersSent ? contentLength(reply.getHeader('content-length')) : null,
    });
  }
}

function isRecorded(request: FastifyRequest): boolean {
  return request.is404 || request.routeOptions.config.gateway?.record === true;
}

/** `/ai/v1/models` without its first segment is `/v1/models`. */
function withoutSegments(path: string, count: number): string {
  let start = 0;
  for (let left = count; left > 0 && start !== -1; left--) start = path.indexOf('/', start + 1);
  return start === -1 ? '/' : path.slice(start) || '/';
}

/** A caller's identifier, or null when it is absent or not printable ASCII of at most 128 characters. */
function identifier(value: string | string[] | undefined): string | null {
  return typeof value === 'string' && value.length <= MAX_ID && printable.test(value) ? value : null;
}

function contentLength(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  const length = Number(value);
  return Number.isSafeInteger(length) && length >= 0 ? length : null;
}

export default fp(exchangePlugin, {
  fastify: '5.x',
  name: 'gateway-exchange',
  decorators: { fastify: ['gatewayLedger'] },
});
