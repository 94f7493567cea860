import type { FastifyReply, FastifyRequest } from 'fastify';
import { httpErrors } from '../src/http-errors.js';
import { forcedFilter } from '../src/keys/caller.js';
import type { GatewayRouteConfig } from '../src/types.js';
import { QueryError } from '../src/window.js';

/** The `config` of a route that shows callers who may not read everything what their own key has left. */
export function readable(summary: string): { gateway: GatewayRouteConfig } {
  return { gateway: { scope: 'own', record: false, summary } };
}

/** What a caller is kept to that may not read everything: for every route that is `readable`. */
export function ownOnly({ gatewayCaller }: FastifyRequest): { key?: string } {
  // A host may register a plugin without any keys.
  return gatewayCaller == null ? {} : (forcedFilter(gatewayCaller) ?? {});
}

/** The `config` of a route for those who may remove what is stored. */
export function removable(summary: string): { gateway: GatewayRouteConfig } {
  return { gateway: { scope: 'admin', record: false, summary } };
}

/** Sends what is JSON already. */
export function sendJson(reply: FastifyReply, json: Uint8Array): FastifyReply {
  const bytes = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  return reply.type('application/json; charset=utf-8').send(bytes);
}

/** The caller's mistakes become a 400 with their own message. */
export function understood<Query>(parse: () => Query): Query {
  try {
    return parse();
  } catch (error) {
    if (error instanceof QueryError) {
      throw httpErrors().createError(400, error.message, { param: error.param });
    }
    throw error;
  }
}
