import { createRequire } from 'node:module';
import type * as Sensible from '@fastify/sensible';

const require = createRequire(import.meta.url);

/**
 * The HTTP errors of @fastify/sensible, read when the first is needed: with what belongs to its other parts, a table of
 * all media types for one, it takes 30 ms of a start.
 */
export function httpErrors(): typeof Sensible.httpErrors {
  const { httpErrors: errors }: typeof Sensible = require('@fastify/sensible');
  return errors;
}
