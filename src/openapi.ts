import Type from 'typebox';

/** What is known of one route when it is registered. */
export interface KnownRoute {
  method: string;
  /** Fastify's pattern, below the prefix. */
  url: string;
  summary: string | undefined;
  scope: 'proxy' | 'read' | 'admin' | 'own' | 'any' | 'none' | undefined;
  schema: RouteSchema;
}

/** The parts of a Fastify schema that are described. */
export interface RouteSchema {
  body?: unknown;
  querystring?: unknown;
  params?: unknown;
  /** Schemas by status. */
  response?: unknown;
}

/** What describes an object of parameters. */
interface ParameterSchema {
  properties?: Record<string, { description?: string }>;
  required?: readonly string[];
}

/** The one error body of everything below the prefix. */
const ErrorSchema = Type.Object(
  {
    error: Type.Object({
      message: Type.String(),
      type: Type.String(),
      param: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
      code: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    }),
  },
  { description: 'Every error has this shape.' },
);

const OWN =
  'Needs a key with the scope `read`, or `proxy`, which shows only what was asked for with that key.';
const NAMED_SCOPES = new Set<KnownRoute['scope']>(['proxy', 'read', 'admin']);
const JSON_TYPE = 'application/json';
const PROXIED =
  "The provider's own answer, byte for byte: JSON, or server-sent events when it was asked to stream.";

/**
 * An OpenAPI 3.1 document of routes. `prefix` is what they are below; `version` is that of the gateway.
 * https://spec.openapis.org/oas/v3.1.0
 */
export function openApiOf(
  routes: readonly KnownRoute[],
  { prefix, version }: { prefix: string; version: string },
) {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = pathOf(route.url);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'fastify-llm-gateway',
      version,
      description:
        'One OpenAI-compatible endpoint in front of many LLM providers, and statistics of what went through it. Instants are ISO 8601 in UTC, durations ..._ms in milliseconds, money ..._usd in US dollars; null is unknown.',
    },
    servers: [{ url: prefix === '' ? '/' : prefix }],
    paths,
    components: {
      schemas: { Error: ErrorSchema },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
}

function operationOf({ method, url, summary, scope, schema }: KnownRoute) {
  const isPublic = scope === 'none';
  return {
    operationId: [method.toLowerCase(), ...pathOf(url).split(/[^A-Za-z0-9]+/)]
      .filter((part) => part !== '')
      .join('_'),
    ...(summary !== undefined && { summary }),
    tags: [/^\/?[a-z0-9]*/i.exec(url)?.[0].replace('/', '') || 'gateway'],
    security: isPublic ? [] : [{ bearer: [] }, { apiKey: [] }],
    ...(NAMED_SCOPES.has(scope) && { description: `Needs a key with the scope \`${scope}\`.` }),
    ...(scope === 'own' && { description: OWN }),
    parameters: [...pathParameters(url), ...queryParameters(schema.querystring)],
    ...(schema.body !== undefined && {
      requestBody: { required: true, content: { [JSON_TYPE]: { schema: schema.body } } },
    }),
    responses: { ...responsesOf(schema), default: errorResponse() },
  };
}

function pathOf(url: string): string {
  return url.replace(/:(\w+)/g, '{$1}').replace('*', '{path}');
}

function pathParameters(url: string) {
  return [...pathOf(url).matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(querystring: unknown) {
  const { properties = {}, required = [] } = (querystring ?? {}) as ParameterSchema;
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...(description !== undefined && { description }),
    schema,
  }));
}

function responsesOf({ response, body }: RouteSchema): Record<string, object> {
  if (response === undefined) {
    return { 200: { description: body === undefined ? 'As the summary says.' : PROXIED } };
  }
  return Object.fromEntries(
    Object.entries(response as Record<string, { type?: string; description?: string }>).map(
      ([status, schema]) => [status, responseOf(schema)],
    ),
  );
}

function responseOf(schema: { type?: string; description?: string }) {
  const description = schema.description ?? 'As the schema says.';
  if (schema.type === 'null') return { description };
  return { description, content: { [schema.type === 'string' ? 'text/plain' : JSON_TYPE]: { schema } } };
}

function errorResponse() {
  return {
    description: 'An error; its status tells which.',
    content: { [JSON_TYPE]: { schema: { $ref: '#/components/schemas/Error' } } },
  };
}
