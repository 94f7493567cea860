import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { unknownEndpoint } from '../src/endpoints.js';
import { GatewayError } from '../src/errors.js';
import { depthOf, leavesItsFolder, pathOf, queryOf, withoutSegments } from '../src/paths.js';
import { rawBody } from '../src/upstream/outgoing.js';
import { notFoundHandler } from './error-handler.js';
import { allowedTo, factsOf, type ModelProxy, providerOf } from './proxy.js';

interface PassthroughOptions {
  route: RouteShorthandOptions;
  proxy: ModelProxy;
}

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
    const resolution = app.gatewayRouter.passthrough(providerOf(request), allowedTo(exchange));
    if (resolution === null) return notFoundHandler(request, reply);
    const below = withoutSegments(request.url, depth);
    const path = pathOf(below);
    if (leavesItsFolder(path)) {
      throw new GatewayError('invalid_request_error', 'The path must not contain dot segments.');
    }
    const source = body instanceof Readable ? body : null;
    // What a hook of the host has unpacked is no longer what the headers say.
    const asItIs = source === request.raw;
    const length = asItIs ? contentLength(request.headers['content-length']) : null;
    const endpoint = unknownEndpoint(path);
    return proxy.send(request, reply, {
      resolution,
      facts: factsOf(request, endpoint, {}),
      endpoint,
      query: queryOf(below),
      body: rawBody(source, length, asItIs),
      streaming: false,
      addStreamUsage: false,
      estimate: () => null,
    });
  }
}

function contentLength(value: string | undefined): number | null {
  return value === undefined ? null : Number(value);
}
