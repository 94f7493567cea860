import type { FastifyInstance, FastifyReply } from 'fastify';
import type { GatewayRouteConfig } from '../src/types.js';
import { QueryError } from '../src/window.js';

/** The `config` of a route for those who may read. */
export function readable(summary: string): { gateway: GatewayRouteConfig } {
  return { gateway: { scope: 'read', record: false, summary } };
}

/** The `config` of a route for those who may remove what is stored. */
export function removable(summary: string): { gateway: GatewayRouteConfig } {
  return { gateway: { scope: 'admin', record: false, summary } };
}

/** Sends what is JSON already. */
export function sendJson(reply: FastifyReply, json: string): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(json);
}

/** The caller's mistakes become a 400 with their own message. */
export function understood<Query>(app: FastifyInstance, parse: () => Query): Query {
  try {
    return parse();
  } catch (error) {
    if (error instanceof QueryError) {
      throw app.httpErrors.createError(400, error.message, { param: error.param });
    }
    throw error;
  }
}
