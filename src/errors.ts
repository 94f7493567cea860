import type { EndReason } from './exchange.js';

interface ErrorClass {
  status: number;
  /** OpenAI's `error.type`. */
  type: string;
  /** How an exchange that ends with this error is recorded. */
  endReason: EndReason;
}

/** Every error the gateway answers by itself, by its `error.code`. */
const errorClasses = {
  invalid_request_error: { status: 400, type: 'invalid_request_error', endReason: 'invalid_request' },
  unsupported_media_type: { status: 415, type: 'invalid_request_error', endReason: 'invalid_request' },
  request_too_large: { status: 413, type: 'invalid_request_error', endReason: 'body_too_large' },
  context_length_exceeded: {
    status: 400,
    type: 'invalid_request_error',
    endReason: 'no_available_target',
  },
  invalid_api_key: { status: 401, type: 'authentication_error', endReason: 'unauthorized' },
  insufficient_permissions: { status: 403, type: 'permission_error', endReason: 'forbidden' },
  not_found: { status: 404, type: 'invalid_request_error', endReason: 'not_found' },
  model_not_found: { status: 404, type: 'invalid_request_error', endReason: 'no_route' },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error', endReason: 'rate_limited' },
  budget_exceeded: { status: 429, type: 'rate_limit_error', endReason: 'budget_exhausted' },
  no_available_target: { status: 503, type: 'server_error', endReason: 'no_available_target' },
  gateway_unavailable: { status: 503, type: 'server_error', endReason: 'internal_error' },
  shutting_down: { status: 503, type: 'server_error', endReason: 'shutdown' },
  upstream_error: { status: 502, type: 'upstream_error', endReason: 'upstream_error' },
  upstream_timeout: { status: 504, type: 'upstream_error', endReason: 'total_timeout' },
  upstream_authentication_failed: { status: 502, type: 'upstream_error', endReason: 'upstream_error' },
  internal_error: { status: 500, type: 'server_error', endReason: 'internal_error' },
} as const satisfies Record<string, ErrorClass>;

export type ErrorCode = keyof typeof errorClasses;

/** The one error body of everything below the prefix. */
export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

export interface ErrorDetails {
  /** The request field that is wrong. */
  param?: string | undefined;
  /** Replaces the status of the code's class. */
  status?: number | undefined;
  /** Milliseconds until a new try makes sense; sent as `retry-after` in whole seconds, rounded up. */
  retryAfterMs?: number | undefined;
  endReason?: EndReason | undefined;
  cause?: unknown;
}

/** An error that the caller reads as an OpenAI error body. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly statusCode: number;
  readonly param: string | null;
  readonly retryAfterMs: number | null;
  readonly endReason: EndReason;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const known = errorClasses[code];
    this.code = code;
    this.statusCode = details.status ?? known.status;
    this.param = details.param ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.endReason = details.endReason ?? known.endReason;
  }

  /** The body the caller reads. */
  body(): ErrorBody {
    return errorBody(this.code, this.message, this.param);
  }
}

/** The answer to a request that comes, or is not yet answered, when the gateway is on its way out. */
export function shuttingDown(): GatewayError {
  return new GatewayError('shutting_down', 'The gateway is shutting down.', { retryAfterMs: 1000 });
}

/** The OpenAI-shaped body of an error. */
export function errorBody(code: ErrorCode, message: string, param: string | null = null): ErrorBody {
  return { error: { message, type: errorClasses[code].type, param, code } };
}

/** `retry-after` in whole seconds: rounded up, so that nobody comes back too early. */
export function retryAfterSeconds(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)));
}

/** The code for an error of which only the status is known. */
export function codeForStatus(status: number): ErrorCode {
  if (status === 401) return 'invalid_api_key';
  if (status === 403) return 'insufficient_permissions';
  if (status === 404) return 'not_found';
  if (status === 413) return 'request_too_large';
  if (status === 415) return 'unsupported_media_type';
  if (status === 429) return 'rate_limit_exceeded';
  if (status === 503) return 'no_available_target';
  return status < 500 ? 'invalid_request_error' : 'internal_error';
}
