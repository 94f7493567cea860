import { GatewayError } from '../errors.js';
import { duration } from './headers.js';
import type { Refusal } from './store.js';

/** The 429 of a caller that has used up what its key allows. `tokens`: what the request was estimated to need. */
export function limitError(
  key: string,
  { limit, most, retryAfterMs }: Refusal,
  tokens: number,
): GatewayError {
  const what = `The limit ${limit} (${most}) of the API key "${key}"`;
  if (retryAfterMs === null) {
    const message = `${what} is too small for this request, which may need ${tokens} tokens. Make it shorter, or ask for a shorter answer.`;
    return new GatewayError('rate_limit_exceeded', message);
  }
  const message = `${what} is reached. Try again in ${duration(retryAfterMs)}.`;
  return new GatewayError('rate_limit_exceeded', message, { retryAfterMs });
}
