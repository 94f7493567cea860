import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import type Type from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import Value from 'typebox/value';
import { useErrorHandler } from './error-handler.js';

/**
 * Makes a scope the gateway's own: what a host has set for its own schemas, answers and errors would not fit these.
 * The host's scope is not touched.
 */
export function ownScope(app: FastifyInstance): void {
  // Without coercion: Fastify's default rewrites the bodies of this API.
  app.setValidatorCompiler(validatorCompiler);
  app.setSchemaErrorFormatter((_errors, where) => new Error(`The ${where} is not valid.`));
  app.setSerializerCompiler(() => (payload) => JSON.stringify(payload));
  app.setReplySerializer((payload) => JSON.stringify(payload));
  useErrorHandler(app);
}

/**
 * `TypeBoxValidatorCompiler` of @fastify/type-provider-typebox, which would load Ajv for its formats. A schema is
 * compiled when its route is first asked: all of them take 20 ms, and most gateways never serve most of them.
 */
const validatorCompiler: FastifySchemaCompiler<Type.TSchema> = ({ schema, httpPart }) => {
  let validator: Validator | null = null;
  return (value: unknown) => {
    validator ??= Compile(schema);
    const converted = httpPart === 'body' ? value : Value.Convert(schema, value);
    return validator.Check(converted) ? { value: converted } : { error: validator.Errors(converted) };
  };
};
