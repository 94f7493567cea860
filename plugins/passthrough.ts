import { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { misspelt, unknownEndpoint } from '../src/endpoints.js';
import { GatewayError } from '../src/errors.js';
import { depthOf, leavesItsFolder, pathOf, queryOf, withoutSegments } from '../src/paths.js';
import { lend } from '../src/upload/lend.js';
import { rawBody } from '../src/upstream/outgoing.js';
import { notFoundHandler } from './error-handler.js';
import { allowedTo, exchangeOf, factsOf, type ModelProxy, providerOf } from './proxy.js';

interface PassthroughOptions {
  route: RouteShorthandOptions;
  proxy: ModelProxy;
}

/** `..;x=1`, plain or percent-encoded: a dot segment for servers that take `;` for the beginning of a parameter. */
const dotWithParameter = /(?:[/\\]|%(?:25)*(?:2f|5c))(?:\.|%(?:25)*2e){1,2}(?:;|%(?:25)*3b)/i;

/**
 * Everything else below `/v1`: files, batches, stored responses, and what is yet to be invented. It goes as it is to
 * the provider that the caller names, or that the configuration does, and nothing is kept in memory.
 */
export default async function passthrough(
  app: FastifyInstance,
  { route, proxy }: PassthroughOptions,
): Promise<void> {
  const depth = depthOf(app.prefix) + 1;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  const method = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
  app.route({ ...route, method, url: '/v1/*', handler });

  async function handler(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { exchange, body } = request;
    const allowed = allowedTo(exchange);
    const resolution = app.gatewayRouter.passthrough(providerOf(request), allowed, exchange?.caller?.policy);
    if (resolution === null) return notFoundHandler(request, reply);
    const below = withoutSegments(originForm(request.url), depth);
    const path = pathOf(below);
    if (leavesItsFolder(path) || dotWithParameter.test(path) || below.includes('#')) {
      throw new GatewayError(
        'invalid_request_error',
        'The path must not contain dot segments, a fragment, or characters that hide what it says.',
      );
    }
    // What is routed, measured and charged for must not be had beside all that.
    const meant = misspelt(path);
    if (meant !== null) {
      throw new GatewayError('invalid_request_error', `Write the path as /v1${meant.path}.`);
    }
    const source = body instanceof Readable && hasBody(request.raw) ? body : null;
    // What a hook of the host has unpacked is no longer what the headers say.
    const asItIs = source === request.raw;
    const length = asItIs ? contentLength(request.headers['content-length']) : null;
    const endpoint = unknownEndpoint(path);
    return proxy.send(request, reply, {
      exchange: exchangeOf(request),
      headers: request.headers,
      resolution,
      facts: factsOf(request, endpoint, {}),
      endpoint,
      query: queryOf(below),
      body: rawBody(source === null ? null : lend(source), length, asItIs),
      streaming: false,
      addStreamUsage: false,
      estimate: () => null,
    });
  }
}

/** `http://host/path`, which proxies are sent and servers have to accept (RFC 9112, 3.2.2), as `/path`. */
function originForm(url: string): string {
  return url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?#]*/i, '');
}

/** Over HTTP/1 a request says whether it has a body; others do not have to. Its type says nothing about that. */
function hasBody(raw: FastifyRequest['raw']): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = raw.headers;
  return !(raw instanceof IncomingMessage) || coding !== undefined || length !== '0';
}

function contentLength(value: string | undefined): number | null {
  return value === undefined ? null : Number(value);
}
