import type { FastifyInstance, RouteOptions } from 'fastify';
import fp from 'fastify-plugin';
import Type from 'typebox';
import { type KnownRoute, openApiOf } from '../src/openapi.js';
import { packageVersion } from '../src/version.js';

const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);

const ModelSchema = Type.Object({
  id: Type.String(),
  object: Type.Literal('model'),
  created: Type.Number(),
  owned_by: Type.String(),
});

/** What OpenAI's API says of its own endpoints, which have no schema of an answer here: most answers are a provider's. */
const KNOWN: Record<string, { summary: string; response?: object }> = {
  '/v1/models': {
    summary: 'Routes, aliases and declared models',
    response: { 200: Type.Object({ object: Type.Literal('list'), data: Type.Array(ModelSchema) }) },
  },
  '/v1/models/*': { summary: 'One of them; its id may contain slashes', response: { 200: ModelSchema } },
  '/v1/*': { summary: 'Everything else below /v1, passed through to one provider' },
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
    summary: config?.gateway?.summary ?? KNOWN[url]?.summary,
    scope: config?.gateway?.scope,
    schema: { response: KNOWN[url]?.response, ...schema },
  };
}

function below(prefix: string, url: string): string {
  return url.startsWith(prefix) ? url.slice(prefix.length) || '/' : url;
}

export default fp(openapi, { name: 'gateway-openapi', fastify: '5.x' });
