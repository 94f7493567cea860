import type { EndReason } from '../exchange.js';
import type { Obstacle } from '../routing/availability.js';
import type { ProviderType } from './presets.js';
import { readCooldown } from './rate-limit/read.js';
import { type Cooldown, cooldown, type Headers } from './rate-limit/retry-after.js';

/** Why an attempt gave no answer. */
export type Failure =
  /** The upstream answered, and the answer is an error. */
  | { kind: 'answer'; status: number; headers: Headers; body: Buffer }
  /** There was no answer, or no usable one. */
  | { kind: 'broken'; endReason: EndReason; message: string; status: number | null }
  /** The exchange was told to stop: the client left, or the server shuts down. */
  | { kind: 'cancelled' };

/** What a failure means for the exchange and for the target. */
export interface Verdict {
  /** `larger`: only a target with a larger declared context may be tried next. */
  action: 'stop' | 'next' | 'larger' | 'without_stream_options';
  effect: Effect | null;
}

/** What keeps the target, or its whole provider, from being used: for how long, and what says so. */
export interface Effect extends Cooldown {
  obstacle: Obstacle;
  scope: 'provider' | 'target';
}

const BLOCK_MS = 5 * 60_000;
/** For a 429 that does not say when to come back. */
const RATE_LIMIT_DEFAULT_MS = 5_000;
const stop: Verdict = { action: 'stop', effect: null };
const next: Verdict = { action: 'next', effect: null };

/** Statuses that another target may well answer better. */
const transient = new Set([408, 409, 425]);

/**
 * What to do about a failed attempt. Pure; `now` is epoch milliseconds.
 * `asked` tells that the gateway added `stream_options` to the request by itself. The provider's `type` says how it
 * speaks of its rate limits.
 */
export function classify(
  failure: Failure,
  now: number,
  asked: { streamOptions: boolean },
  type: ProviderType = 'openai-compatible',
): Verdict {
  if (failure.kind === 'cancelled') return stop;
  if (failure.kind === 'broken') return next;
  const { status, headers } = failure;
  if (status === 429) {
    const asks = readCooldown(type, headers, failure.body, now) ?? cooldown(RATE_LIMIT_DEFAULT_MS, 'default');
    return { action: 'next', effect: { obstacle: 'rate_limited', scope: 'target', ...asks } };
  }
  if (status === 401 || status === 403) return blocked('quarantined', 'provider', status);
  if (status === 402) return blocked('payment_required', 'provider', status);
  if (status === 404) return blocked('model_missing', 'target', status);
  if (status >= 500 || transient.has(status)) return next;
  if (asked.streamOptions && (status === 400 || status === 422) && failure.body.includes('stream_options')) {
    return { action: 'without_stream_options', effect: null };
  }
  if (status === 400 && isContextLength(failure.body)) return { action: 'larger', effect: null };
  return stop;
}

/** Whether the target itself is to blame: not the caller, not its rate limit, and not an abort. */
export function isTargetFault(failure: Failure): boolean {
  if (failure.kind === 'broken') return true;
  return failure.kind === 'answer' && (failure.status >= 500 || transient.has(failure.status));
}

function blocked(obstacle: Obstacle, scope: Effect['scope'], status: number): Verdict {
  return { action: 'next', effect: { obstacle, scope, forMs: BLOCK_MS, source: `http_${status}` } };
}

/** Providers say it in different words; OpenAI's code is `context_length_exceeded`. */
function isContextLength(body: Buffer): boolean {
  return /context_length_exceeded|context length|context window|maximum context|prompt is too long/i.test(
    body.toString('latin1'),
  );
}

/** The error text of an upstream's JSON answer, or the whole of a body that is something else. */
export function upstreamMessage(body: Buffer): string {
  const text = body.toString('utf8');
  try {
    const parsed: unknown = JSON.parse(text);
    const message = messageOf(parsed);
    if (message !== null) return message;
  } catch {
    // Not JSON: the text itself is all there is.
  }
  return text;
}

function messageOf(body: unknown): string | null {
  if (typeof body !== 'object' || body === null) return null;
  if ('error' in body) {
    if (typeof body.error === 'string') return body.error;
    const inner = messageOf(body.error);
    if (inner !== null) return inner;
  }
  return 'message' in body && typeof body.message === 'string' ? body.message : null;
}

/** OpenAI's `error.code` in an upstream's answer, if there is one. */
export function upstreamCode(body: Buffer): string | null {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null || !('error' in parsed)) return null;
    const { error } = parsed;
    if (typeof error !== 'object' || error === null || !('code' in error)) return null;
    return typeof error.code === 'string' || typeof error.code === 'number' ? String(error.code) : null;
  } catch {
    return null;
  }
}

/** An answer that the gateway cannot read. */
export class UnreadableAnswer extends Error {
  readonly code = 'UNREADABLE_ANSWER';
}

const unreachable = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
]);

const invalid = new Set(['UND_ERR_HEADERS_OVERFLOW', 'UNREADABLE_ANSWER', 'HTTPParserError']);

/**
 * What undici says of interim answers that nobody asked for. It ends the connection over them, and no option of it
 * makes it wait for the answer behind them, as RFC 9110, 15.2 wants.
 */
const unasked = new Map([
  ['bad response', 'The upstream sent a "100 Continue" that nobody asked for.'],
  ['bad upgrade', 'The upstream went over to another protocol, which nobody asked for.'],
]);

/** What a thrown transport error was, from Node's and undici's error codes. */
export function transportFailure(error: unknown, status: number | null): Failure & { kind: 'broken' } {
  const code = errorCode(error);
  const message = error instanceof Error ? error.message : String(error);
  const told = code === '' ? message : `${code}: ${message}`;
  const interim = code === 'UND_ERR_SOCKET' ? unasked.get(message) : undefined;
  if (interim !== undefined) {
    return { kind: 'broken', endReason: 'upstream_invalid', message: interim, status };
  }
  return { kind: 'broken', endReason: endReasonOf(code), message: told, status };
}

function endReasonOf(code: string): EndReason {
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return 'connect_timeout';
  if (unreachable.has(code)) return 'upstream_unreachable';
  // HPE_: llhttp, what came is no HTTP.
  return invalid.has(code) || code.startsWith('HPE_') ? 'upstream_invalid' : 'upstream_reset';
}

/** With several addresses Node throws an AggregateError whose parts carry the code. */
function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  // What is no HTTP: undici's own parser errors have a code only sometimes.
  if (error instanceof Error && error.name === 'HTTPParserError') return error.name;
  if ('errors' in error && Array.isArray(error.errors)) return errorCode(error.errors[0]);
  return 'cause' in error ? errorCode(error.cause) : '';
}
