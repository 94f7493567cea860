import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { GatewayError } from '../src/errors.js';
import { type Caller, sinceStart } from '../src/exchange.js';
import { createKeyring } from '../src/keyring.js';
import { isLocalCaller } from '../src/loopback.js';
import type { Scope } from '../src/types.js';

/** Options of the auth plugin; a parsed `Config` fits. */
export type AuthOptions = Pick<Config, 'keys' | 'anonymous'>;

const everyScope: ReadonlySet<Scope> = new Set(['proxy', 'read', 'admin']);
const anonymousCaller: Caller = { name: null, scopes: everyScope, routes: null, limits: null };

/**
 * Identifies the caller by its API key (`authorization: Bearer` or `x-api-key`) and checks the scope that the
 * route asks for. Without keys only loopback addresses are served, unless `anonymous` is `anywhere`.
 */
async function authPlugin(app: FastifyInstance, { keys, anonymous }: AuthOptions): Promise<void> {
  const keyring = createKeyring(keys);
  if (keys.length === 0) {
    const reach =
      anonymous === 'loopback' ? 'loopback addresses only' : 'every address (anonymous: anywhere)';
    app.log.warn(`llm-gateway has no API keys: it serves ${reach}, and its stats are open there`);
  }

  app.addHook('onRequest', (request: FastifyRequest, _reply: FastifyReply, done) => {
    const scope = request.routeOptions.config.gateway?.scope ?? 'any';
    if (scope === 'none') return done();
    try {
      admit(request, scope);
      done();
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });

  function admit(request: FastifyRequest, scope: Scope | 'any'): void {
    const caller = identify(request);
    if (request.exchange !== null) {
      request.exchange.caller = caller;
      request.exchange.key = caller.name;
      request.exchange.admittedUs = sinceStart(request.exchange);
    }
    if (scope !== 'any' && !caller.scopes.has(scope)) {
      throw new GatewayError('insufficient_permissions', `This API key lacks the scope "${scope}".`);
    }
  }

  function identify(request: FastifyRequest): Caller {
    if (keys.length === 0) {
      if (anonymous === 'anywhere' || isLocalCaller(request.raw.socket.remoteAddress, request.headers)) {
        return anonymousCaller;
      }
      throw new GatewayError(
        'invalid_api_key',
        'This gateway has no API keys, so it serves loopback addresses only, under a loopback name, and no proxies. Configure `keys`.',
      );
    }
    const presented = presentedKey(request);
    if (presented === null) {
      throw new GatewayError(
        'invalid_api_key',
        request.headers.authorization === undefined
          ? 'No API key was given. Send it as "Authorization: Bearer <key>" or "x-api-key: <key>".'
          : 'The authorization header is not of the form "Bearer <key>".',
      );
    }
    const caller = keyring.find(presented);
    if (caller === null) throw new GatewayError('invalid_api_key', 'The API key is not valid.');
    return caller;
  }
}

/** `x-api-key` first: behind a host that authenticates, `authorization` may carry the host's own token. */
function presentedKey(request: FastifyRequest): string | null {
  const key = request.headers['x-api-key'];
  if (typeof key === 'string' && key !== '') return key;
  const { authorization } = request.headers;
  return authorization === undefined ? null : (/^bearer +(\S+)\s*$/i.exec(authorization)?.[1] ?? null);
}

export default fp(authPlugin, {
  fastify: '5.x',
  name: 'gateway-auth',
  decorators: { request: ['exchange'] },
});
