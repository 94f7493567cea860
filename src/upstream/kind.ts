import type { Work } from './attempt.js';
import type { UpstreamResponse } from './transport.js';

/** How an answer is handled: read whole and checked, relayed as events or as bytes, or not believed. */
export type Form = 'whole' | 'events' | 'bytes' | 'nonsense';

/**
 * Whether an answer below 400 is of a kind that its request asked for. Client libraries take events for an empty
 * JSON answer and JSON for an empty stream, both without an error, so neither is passed on.
 */
export function expectedForm(
  { endpoint, streaming }: Pick<Work, 'endpoint' | 'streaming'>,
  response: UpstreamResponse,
): Form {
  // What is beyond 599 is no HTTP.
  if (response.status >= 600) return 'nonsense';
  const type = mediaType(response);
  const isEvents = type === 'text/event-stream';
  if (endpoint.answer === 'any') return isEvents && response.status < 300 ? 'events' : 'bytes';
  // Redirects are not followed.
  if (response.status >= 300) return 'whole';
  if (isEvents) return streaming ? 'events' : 'nonsense';
  // It may still be JSON with an error in it.
  if (streaming || endpoint.answer === 'json' || isJson(type)) return 'whole';
  return type.startsWith('text/html') ? 'nonsense' : 'bytes';
}

/** The content type in lower case, without parameters; empty when there is none. */
export function mediaType({ headers }: Pick<UpstreamResponse, 'headers'>): string {
  const given = headers['content-type'];
  const type = Array.isArray(given) ? given[0] : given;
  return typeof type === 'string' ? (type.split(';', 1)[0] ?? '').trim().toLowerCase() : '';
}

/** `application/json`, or a type that says `+json`. */
export function isJson(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json');
}
