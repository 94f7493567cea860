import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../src/config.js';
import { GatewayError } from '../src/errors.js';
import { type Caller, sinceStart } from '../src/exchange.js';
import type { Refusal } from '../src/keys/table.js';
import { isLocalCaller } from '../src/loopback.js';
import type { GatewayRouteConfig, Scope } from '../src/types.js';
import keysPlugin from './keys.js';

/** Options of the auth plugin; a parsed `Config` fits. */
export type AuthOptions = Pick<Config, 'keys' | 'anonymous'> & Partial<Pick<Config, 'keySecret'>>;

const everyScope: ReadonlySet<Scope> = new Set(['proxy', 'read', 'admin']);
const anonymousCaller: Caller = {
  name: null,
  scopes: everyScope,
  allowed: null,
  limits: null,
  budget: null,
  policy: null,
  capture: null,
};

/**
 * Identifies the caller by its API key (`authorization: Bearer` or `x-api-key`) and checks the scope that the
 * route asks for. Without keys only loopback addresses are served, unless `anonymous` is `anywhere`.
 */
async function authPlugin(app: FastifyInstance, options: AuthOptions): Promise<void> {
  const { anonymous } = options;
  if (!app.hasDecorator('gatewayKeys'))
    await app.register(keysPlugin, { keys: options.keys, keySecret: options.keySecret ?? null });
  const { gatewayKeys } = app;
  app.decorateRequest('gatewayCaller', null);
  app.decorateRequest('gatewayCallerNow', function callerNow(this: FastifyRequest) {
    try {
      const caller = identify(this);
      return mayUse(caller, scopeOf(this)) ? caller : null;
    } catch {
      return null;
    }
  });
  if (gatewayKeys.none) {
    const reach =
      anonymous === 'loopback' ? 'loopback addresses only' : 'every address (anonymous: anywhere)';
    app.log.warn(`llm-gateway has no API keys: it serves ${reach}, and its stats are open there`);
  }

  app.addHook('onRequest', (request: FastifyRequest, _reply: FastifyReply, done) => {
    const scope = scopeOf(request);
    if (scope === 'none') return done();
    try {
      admit(request, scope);
      done();
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });

  function admit(request: FastifyRequest, scope: Exclude<GatewayRouteConfig['scope'], 'none'>): void {
    const caller = identify(request);
    request.gatewayCaller = caller;
    if (request.exchange !== null) {
      request.exchange.caller = caller;
      request.exchange.key = caller.name;
      request.exchange.admittedUs = sinceStart(request.exchange);
    }
    if (!mayUse(caller, scope)) {
      const wanted = scope === 'own' ? 'read" or "proxy' : scope;
      throw new GatewayError('insufficient_permissions', `This API key lacks the scope "${wanted}".`);
    }
  }

  function identify(request: FastifyRequest): Caller {
    if (gatewayKeys.none) {
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
    const found = gatewayKeys.find(presented, Date.now());
    if (typeof found !== 'string') return found;
    if (found === 'unread') throw unreadable();
    throw new GatewayError('invalid_api_key', refusals[found]);
  }
}

const refusals: Readonly<Record<Exclude<Refusal, 'unread'>, string>> = {
  unknown: 'The API key is not valid.',
  revoked: 'The API key was revoked.',
  expired: 'The API key has expired.',
  replaced: 'The API key was replaced by another one.',
};

/** A key that may be good is not called bad because a database cannot be read. */
function unreadable(): GatewayError {
  const message = 'The API keys cannot be read now.';
  return new GatewayError('gateway_unavailable', message, { retryAfterMs: 1000 });
}

function scopeOf({ routeOptions }: FastifyRequest): GatewayRouteConfig['scope'] {
  return routeOptions.config.gateway?.scope ?? 'any';
}

function mayUse({ scopes }: Caller, scope: GatewayRouteConfig['scope']): boolean {
  if (scope === 'any' || scope === 'none') return true;
  return scope === 'own' ? scopes.has('read') || scopes.has('proxy') : scopes.has(scope);
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
