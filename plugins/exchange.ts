import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { onClosed } from '../src/departure.js';
import { shuttingDown } from '../src/errors.js';
import { cancel, type Exchange } from '../src/exchange.js';
import { createExchanges } from '../src/live.js';
import { depthOf, pathOf, withoutSegments } from '../src/paths.js';
import { type CaptureOptions, createCapturing } from '../src/payloads/capture.js';
import '../src/types.js';

/** Options of the exchange plugin; a parsed `Config` fits. */
export type ExchangeOptions = Pick<Config, 'drainTimeout' | 'clientTimeout'> & CaptureOptions;

const MAX_ID = 128;
const printable = /^[\x21-\x7e]+$/;

/**
 * Opens an exchange for every request to a recorded route or an unknown URL, and settles it exactly once:
 * on `onResponse`, or when the connection closes first. Decorates `app.gatewayExchanges` and `request.exchange`.
 */
async function exchangePlugin(app: FastifyInstance, options: ExchangeOptions): Promise<void> {
  const exchanges = createExchanges(app.gatewayLedger, options.clientTimeout, createCapturing(options));
  const prefixDepth = depthOf(app.prefix);

  app.decorate('gatewayExchanges', exchanges);
  app.decorateRequest('exchange', null);
  app.addHook('onRequest', (request, reply, done) => {
    if (request.exchange === null && isRecorded(request)) watch(open(request, reply), request, reply);
    if (request.exchange !== null && exchanges.draining) done(shuttingDown());
    else done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    // A hook of the host that runs before ours may have answered already.
    if (request.exchange === null && isRecorded(request)) {
      open(request, reply).delivered = reply.raw.headersSent && isDelivered(reply.raw);
    }
    settle(request, reply);
    done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    // A hook of the host kept the request until its client had left: nothing else will tell.
    if (request.exchange === null && request.raw.socket.destroyed && isRecorded(request)) {
      open(request, reply);
      settle(request, reply);
    }
    const sealed = seal(request, reply, payload);
    if (sealed === null) done(null, payload);
    else void sealed.then(() => done(null, payload));
  });
  app.addHook('preClose', async () => {
    await exchanges.drain(options.drainTimeout);
  });

  function open(request: FastifyRequest, reply: FastifyReply): Exchange {
    const exchange = exchanges.open(
      {
        method: request.method,
        endpoint: withoutSegments(pathOf(request.url), prefixDepth),
        correlationId: identifier(request.headers['x-request-id']),
        session: identifier(request.headers['x-session-id']),
        // What the host's own hooks took before is part of what the caller waited for.
        agoMs: reply.elapsedTime,
      },
      reply.raw,
    );
    request.exchange = exchange;
    if (!reply.raw.headersSent) reply.header('x-request-id', exchange.id);
    return exchange;
  }

  function watch(exchange: Exchange, request: FastifyRequest, reply: FastifyReply): void {
    // Before Fastify's own listener, which runs `onResponse`.
    reply.raw.prependListener('finish', () => {
      if (isDelivered(reply.raw)) exchange.delivered = true;
      else left();
    });
    // `onResponse` never comes when the client leaves or the answer breaks off.
    onClosed(request.raw, reply.raw, left);

    function left(): void {
      if (!exchange.delivered && exchange.outcome === null) cancel(exchange, 'client_gone');
      settle(request, reply);
    }
  }

  /** Under strict durability: the promise for which an answer waits. Of a stream only the end has to. */
  function seal(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<void> | null {
    if (app.gatewayLedger.durability === 'relaxed') return null;
    const length = lengthOf(payload);
    if (length === null || !isRecorded(request)) return null;
    // A hook of the host answers.
    if (request.exchange === null) watch(open(request, reply), request, reply);
    noteUpload(request);
    return request.exchange?.seal?.(reply.statusCode, length) ?? null;
  }

  function settle(request: FastifyRequest, reply: FastifyReply): void {
    if (request.exchange === null) return;
    const { raw } = reply;
    noteUpload(request);
    // A pipelined answer whose turn has not come has no socket: what it says it sent, it holds.
    const sent = raw.headersSent && (request.exchange.delivered || raw.socket !== null);
    exchanges.settle(request.exchange, {
      status: sent ? raw.statusCode : null,
      bytesOut: sent ? contentLength(reply.getHeader('content-length')) : null,
    });
  }
}

/** Only a body that was read in full is known to be as long as it said. */
function noteUpload(request: FastifyRequest): void {
  const { exchange, headers, raw } = request;
  if (exchange === null || exchange.bytesIn !== null || raw.complete === false) return;
  if (request.body !== undefined) exchange.bytesIn = contentLength(headers['content-length']);
}

/** The length of an answer in bytes; null when it is a stream. */
function lengthOf(payload: unknown): number | null {
  if (payload === null || payload === undefined) return 0;
  return typeof payload === 'string' || payload instanceof Uint8Array ? Buffer.byteLength(payload) : null;
}

/** Whether a response that says `finish` was sent in full: over HTTP/2 it says so too when its client has reset it. */
function isDelivered(response: ServerResponse): boolean {
  const stream = 'stream' in response ? response.stream : null;
  return !(stream instanceof Writable) || (response.writableEnded && stream.writableFinished);
}

function isRecorded(request: FastifyRequest): boolean {
  return request.is404 || request.routeOptions.config.gateway?.record === true;
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
