import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { useErrorHandler } from './error-handler.js';

/**
 * Makes a scope the gateway's own: what a host has set for its own schemas, answers and errors would not fit these.
 * The host's scope is not touched.
 */
export function ownScope(app: FastifyInstance): void {
  // Without coercion: Fastify's default rewrites the bodies of this API.
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  app.setSchemaErrorFormatter((_errors, where) => new Error(`The ${where} is not valid.`));
  app.setSerializerCompiler(() => (payload) => JSON.stringify(payload));
  app.setReplySerializer((payload) => JSON.stringify(payload));
  useErrorHandler(app);
}
