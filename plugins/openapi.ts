import type { FastifyInstance, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import { type KnownRoute, openApiOf } from '../src/openapi.js';
import { packageVersion } from '../src/version.js';

const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** What routes are for that do not say it themselves. */
const SUMMARIES: Record<string, string> = {
  '/v1/models': 'Routes, aliases and declared models',
  '/v1/models/*': 'One of them; its id may contain slashes',
  '/v1/*': 'Everything else below /v1, passed through to one provider',
  '/health': 'The process is alive',
  '/ready': 'The gateway can answer, so traffic may be sent to it',
};

/** `GET /openapi.json`: what of the gateway is registered after this, read off the routes' own schemas. */
async function openapi(app: FastifyInstance): Promise<void> {
  const routes: KnownRoute[] = [];
  app.addHook('onRoute', (route: RouteOptions) => {
    const url = below(app.prefix, route.url);
    for (const method of [route.method].flat()) {
      if (METHODS.has(method)) routes.push(known(method, url, route));
    }
  });

  const config = { gateway: { scope: 'any', record: false, summary: 'This document' } } as const;
  let text: string | null = null;
  app.get('/openapi.json', { config }, async (_request, reply) => {
    text ??= JSON.stringify(openApiOf(routes, { prefix: app.prefix, version: packageVersion() }));
    return reply.type('application/json; charset=utf-8').send(text);
  });
}

function known(method: string, url: string, { config, schema }: RouteOptions): KnownRoute {
  return {
    method,
    url,
    summary: config?.gateway?.summary ?? SUMMARIES[url],
    scope: config?.gateway?.scope,
    schema: schema ?? {},
  };
}

function below(prefix: string, url: string): string {
  return url.startsWith(prefix) ? url.slice(prefix.length) || '/' : url;
}

export default fp(openapi, { name: 'gateway-openapi', fastify: '5.x' });
