import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import Type from 'typebox';
import { budgetJson } from '../src/budgets/json.js';
import { DURATION_PATTERN } from '../src/config/units.js';
import type { Config } from '../src/config.js';
import { GatewayError } from '../src/errors.js';
import { checkTerms, graceMs } from '../src/keys/check.js';
import {
  changedTerms,
  configuredKeyJson,
  type KeyChanges,
  KeyChangesSchema,
  type KeyJson,
  type NewKey,
  NewKeySchema,
  storedKeyJson,
} from '../src/keys/json.js';
import type { Changed } from '../src/keys/keys.js';
import type { StoredKey } from '../src/keys/table.js';
import { acceptJson } from './bodies.js';
import { ownScope } from './scope.js';

/** Options of the admin plugin; a parsed `Config` fits. */
export type AdminOptions = Pick<Config, 'keys' | 'routes' | 'policies'>;

const config = (summary: string) => ({ gateway: { scope: 'admin', record: false, summary } }) as const;
const Params = Type.Object({ id: Type.String() });
const Rotation = Type.Object(
  { grace: Type.Optional(Type.String({ pattern: DURATION_PATTERN })) },
  { additionalProperties: false },
);
const BODY_LIMIT = 65_536;

/** `/admin/keys` and `GET /admin/budgets`, for callers with the scope `admin`. */
const adminPlugin: FastifyPluginAsyncTypebox<AdminOptions> = async (app, options) => {
  const { gatewayKeys: keys, gatewayBudgets: budgets } = app;
  ownScope(app);
  app.addHook('onRequest', async (request) => {
    if (actor(request) !== null) return;
    const message = 'Keys are made with a key: the first comes from `llm-gateway keys create --scope admin`.';
    throw new GatewayError('insufficient_permissions', message);
  });
  acceptJson(app);
  app.addHook('onRoute', (route) => {
    route.bodyLimit = BODY_LIMIT;
  });

  app.get('/admin/keys', { config: config('Every API key, without what clients send for it') }, async () => ({
    data: [...options.keys.map(configuredKeyJson), ...keys.list().map(storedKeyJson)],
    next_cursor: null,
  }));

  app.post(
    '/admin/keys',
    {
      config: config('Creates an API key; the answer alone has what clients send for it'),
      schema: { body: NewKeySchema },
    },
    async (request, reply) => {
      const { name, ...given }: NewKey = request.body;
      const terms = changedTerms(given);
      refuseProblems(terms);
      const { key, ...changed } = await keys.create(name, terms, actor(request));
      if (changed.result === 'taken') throw taken(name);
      return reply.code(201).send({ ...shown(request, changed, name, 'created'), key });
    },
  );

  app.get(
    '/admin/keys/:id',
    { config: config('One API key'), schema: { params: Params } },
    async ({ params: { id } }) => {
      const configured = options.keys.find(({ name }) => name === id);
      return configured === undefined ? storedKeyJson(find(id)) : configuredKeyJson(configured);
    },
  );

  app.patch(
    '/admin/keys/:id',
    { config: config('Changes what an API key is for'), schema: { params: Params, body: KeyChangesSchema } },
    async (request) => {
      const { name } = find(request.params.id);
      const changes: KeyChanges = request.body;
      const changed = await keys.update(name, (before) => {
        const terms = changedTerms(changes, before);
        refuseProblems(terms);
        return terms;
      });
      return shown(request, changed, name, 'changed');
    },
  );

  app.delete(
    '/admin/keys/:id',
    { config: config('Revokes an API key'), schema: { params: Params } },
    async (request) => {
      const { name } = find(request.params.id);
      return shown(request, await keys.revoke(name), name, 'revoked');
    },
  );

  app.post(
    '/admin/keys/:id/rotate',
    {
      config: config('A new secret for an API key; the one before works for a while'),
      schema: { params: Params, body: Rotation },
      // Everything in it has a default.
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    async (request) => {
      const { name } = find(request.params.id);
      const grace = graceMs(request.body.grace);
      if (grace === null) {
        const message = '`grace` must be at most 3650d.';
        throw new GatewayError('invalid_request_error', message, { param: 'grace' });
      }
      const { key, ...changed } = await keys.rotate(name, grace);
      return { ...shown(request, changed, name, 'rotated'), key };
    },
  );

  app.get(
    '/admin/budgets',
    { config: config('Every budget of a key or a route, and what is left of it') },
    async () => ({
      data: (await budgets.list()).map(budgetJson),
      next_cursor: null,
    }),
  );

  function refuseProblems(terms: Parameters<typeof checkTerms>[0]): void {
    const problem = checkTerms(terms, options);
    if (problem === null) return;
    throw new GatewayError('invalid_request_error', problem.message, { param: problem.param });
  }

  function find(reference: string): StoredKey {
    const key = keys.stored(reference);
    if (key !== null) return key;
    if (options.keys.some(({ name }) => name === reference)) {
      const message = `The key ${quoted(reference)} is in the configuration, and can only be changed there.`;
      throw new GatewayError('invalid_request_error', message, { status: 409 });
    }
    throw new GatewayError('not_found', `There is no key ${quoted(reference)}.`);
  }

  /** The key as it is now. Who did it, and to what, is in the log. */
  function shown(request: FastifyRequest, { result }: Changed, name: string, what: string): KeyJson {
    const key = find(name);
    if (result === 'revoked') {
      const message = `The key ${quoted(name)} is revoked.`;
      throw new GatewayError('invalid_request_error', message, { status: 409 });
    }
    request.log.info({ admin: actor(request), key: name, keyId: key.id }, `API key ${what}`);
    return storedKeyJson(key);
  }
};

function actor({ gatewayCaller }: FastifyRequest): string | null {
  return gatewayCaller?.name ?? null;
}

/** The records go by the name of a key, so it can never be another's. */
function taken(name: string): GatewayError {
  const message = `The name ${quoted(name)} belongs to a key that there is, or was.`;
  return new GatewayError('invalid_request_error', message, { status: 409, param: 'name' });
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 128));
}

export default fp(adminPlugin, {
  fastify: '5.x',
  name: 'gateway-admin',
  encapsulate: true,
  decorators: { fastify: ['gatewayKeys', 'gatewayBudgets'] },
});
