import type { FastifyInstance, RegisterOptions } from 'fastify';
import { type GatewayOptions, parseConfig } from '../src/config.js';
import '../src/types.js';
import admin from './admin.js';
import auth from './auth.js';
import availability from './availability.js';
import budgets from './budgets.js';
import { notFoundHandler } from './error-handler.js';
import exchange from './exchange.js';
import explain from './explain.js';
import forwarding from './forwarding.js';
import health from './health.js';
import keys from './keys.js';
import limits, { type LimitsOptions } from './limits.js';
import liveFeed from './live-feed.js';
import openai from './openai.js';
import openapi from './openapi.js';
import persistence from './persistence.js';
import routing from './routing.js';
import { ownScope } from './scope.js';
import sessions from './sessions.js';
import stats from './stats.js';
import workersPlugin, { type WorkersOptions } from './workers.js';

/** Options of the gateway plugin: the configuration, next to Fastify's own `prefix`. */
export interface GatewayPluginOptions extends GatewayOptions, LimitsOptions, WorkersOptions, RegisterOptions {
  /**
   * The app serves nothing but this gateway, which has no prefix: every unknown URL is the gateway's to answer and
   * to record. Leave it out in an app that has routes of its own.
   */
  ownsServer?: boolean;
}

/**
 * An OpenAI-compatible gateway to many LLM providers, below a prefix of an app.
 *
 * ```js
 * app.register(gateway, { prefix: '/ai', providers: { openai: { type: 'openai' } } });
 * ```
 *
 * Nothing outside the prefix changes. A configuration that is wrong fails `app.ready()` with the code
 * `LLM_GATEWAY_INVALID_CONFIG`, a database that cannot be opened with `LLM_GATEWAY_DATABASE`.
 */
export default async function gateway(app: FastifyInstance, options: GatewayPluginOptions): Promise<void> {
  const { prefix, ownsServer, limitStore, workers, logLevel, logSerializers, ...input } = options;
  const config = parseConfig(input);

  ownScope(app);

  // First, because it sees only the routes that come after it.
  await app.register(openapi);
  await app.register(workersPlugin, { workers });
  // Fastify closes the last registered first: connections, then exchanges, and the ledger at the end.
  await app.register(persistence, config);
  await app.register(exchange, config);
  await app.register(keys, config);
  await app.register(auth, config);
  await app.register(limits, { limitStore });
  await app.register(budgets, config);
  await app.register(routing, config);
  await app.register(forwarding, config);
  await app.register(openai, config);
  await app.register(explain, config);
  await app.register(availability, config);
  await app.register(stats, config);
  await app.register(sessions, config);
  await app.register(liveFeed, config);
  await app.register(admin, config);
  await app.register(health, config);
  // Without a prefix of its own, the gateway shares its scope with the host, whose unknown URLs are the host's.
  // Last, because a prefix that is taken shows in the routes first, as an error that can be caught.
  if (ownsServer === true || hasOwnPrefix(prefix)) app.setNotFoundHandler(notFoundHandler);
}

function hasOwnPrefix(prefix: string | undefined): boolean {
  return prefix !== undefined && prefix !== '' && prefix !== '/';
}
