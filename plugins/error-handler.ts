import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { codeForStatus, type ErrorCode, GatewayError, retryAfterSeconds } from '../src/errors.js';
import { conclude, type Exchange } from '../src/exchange.js';
import { setExchangeHeaders } from '../src/upstream/answer.js';

/** Gives a scope the gateway's one error body, and writes into the exchange what went wrong. */
export function useErrorHandler(app: FastifyInstance): void {
  app.setErrorHandler((error: unknown, request, reply) =>
    sendError(request, reply, reportable(request, error)),
  );
}

/** What an error is to the caller, written into the exchange: for an answer that has begun already. */
export function noteFailure(request: FastifyRequest, error: unknown): GatewayError {
  const failure = reportable(request, error);
  if (request.exchange !== null) noteError(request, request.exchange, failure);
  return failure;
}

function reportable(request: FastifyRequest, error: unknown): GatewayError {
  const failure = toGatewayError(error, request.routeOptions.bodyLimit);
  const { statusCode, code } = failure;
  if (statusCode >= 500 && code === 'internal_error' && request.exchange?.cancelled == null) {
    const exchange = request.exchange?.id;
    request.log.error({ err: error, exchange }, 'llm-gateway failed to handle a request');
  }
  return failure;
}

/** Answers every unknown URL of a scope. */
export function notFoundHandler(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? '';
  return sendError(
    request,
    reply,
    new GatewayError('not_found', `Unknown URL: ${request.method} ${path.slice(0, 200)}`),
  );
}

function sendError(request: FastifyRequest, reply: FastifyReply, error: GatewayError): FastifyReply {
  const { exchange } = request;
  if (exchange !== null) {
    noteError(request, exchange, error);
    setExchangeHeaders(reply, exchange);
  }
  if (error.retryAfterMs !== null) reply.header('retry-after', retryAfterSeconds(error.retryAfterMs));
  if (error.code === 'invalid_api_key') reply.header('www-authenticate', 'Bearer');
  // What an earlier handler may have set for the answer that did not come.
  reply.removeHeader('content-length');
  return reply
    .code(error.statusCode)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(error.body()));
}

function noteError(request: FastifyRequest, exchange: Exchange, error: GatewayError): void {
  if (isUploadCutOff(request)) conclude(exchange, 'aborted', 'client_gone');
  if (exchange.outcome === 'aborted') return;
  exchange.errorCode ??= error.code;
  exchange.errorMessage ??= error.message.slice(0, 500);
  const failed =
    exchange.attempts.some((attempt) => attempt.decision === 'sent') || error.code === 'internal_error';
  conclude(exchange, failed ? 'failed' : 'rejected', error.endReason);
}

/** The body ends before it is complete because its sender has gone: no fault of the request. */
function isUploadCutOff(request: FastifyRequest): boolean {
  return request.raw.destroyed && !request.raw.complete;
}

const codes: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'request_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
};

function toGatewayError(error: unknown, limit: number): GatewayError {
  if (error instanceof GatewayError) return error;
  if (!(error instanceof Error)) return internal(error);
  const known: Partial<FastifyError> = error;
  if (known.validation !== undefined) return validationError(known);
  const status = known.statusCode ?? 500;
  if (status < 400 || status >= 500) return internal(error, status);
  const code = codes[known.code ?? ''] ?? codeForStatus(status);
  // Whatever is neither the gateway's nor Fastify's comes from a hook of the host.
  const endReason = known.code?.startsWith('FST_ERR_') ? undefined : 'rejected_by_host';
  const param = 'param' in error && typeof error.param === 'string' ? error.param : undefined;
  return new GatewayError(code, messageFor(code, error, limit), { status, endReason, param, cause: error });
}

function messageFor(code: ErrorCode, error: Error, limit: number): string {
  if (code === 'unsupported_media_type') return 'Send a JSON body with "content-type: application/json".';
  if (code === 'request_too_large') return `The request body is larger than ${limit} bytes (bodyLimit).`;
  return error.message;
}

/** The text of an unexpected error is for the log, not for the caller. */
function internal(cause: unknown, status = 500): GatewayError {
  const known =
    status === 503 ? 'The gateway cannot answer now.' : 'The gateway failed to handle this request.';
  return new GatewayError('internal_error', known, { status: Math.max(status, 500), cause });
}

/** TypeBox says where in JSON pointers and what in words: `/messages`, `must be array`. */
function validationError(error: Partial<FastifyError>): GatewayError {
  const first = error.validation?.[0];
  const missing = first?.params?.requiredProperties;
  const path = (first?.instancePath ?? '').split('/').filter((part) => part !== '');
  if (Array.isArray(missing) && typeof missing[0] === 'string') path.push(missing[0]);
  const param = path.join('.');
  const where = error.validationContext === 'body' ? '' : ` in the ${error.validationContext ?? 'request'}`;
  const said = first?.message === 'schema is false' ? 'is not known here' : first?.message;
  const what = Array.isArray(missing) ? 'is required' : (said ?? 'is not valid');
  const message = `${param === '' ? 'The request body' : `\`${param}\``} ${what}${where}.`;
  return new GatewayError('invalid_request_error', message, { param: param === '' ? undefined : param });
}
