import type { HeaderSink } from '../upstream/answer.js';
import type { Standings } from './store.js';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * Sets the headers in which OpenAI tells a caller what is left to it, so that its clients understand them. They are on
 * every answer, so nothing is built for them but their values.
 */
export function setLimitHeaders(sink: HeaderSink, { requests, tokens }: Standings): void {
  if (requests !== null) {
    sink.header('x-ratelimit-limit-requests', String(requests.limit));
    sink.header('x-ratelimit-remaining-requests', String(requests.remaining));
    sink.header('x-ratelimit-reset-requests', duration(requests.resetMs));
  }
  if (tokens !== null) {
    sink.header('x-ratelimit-limit-tokens', String(tokens.limit));
    sink.header('x-ratelimit-remaining-tokens', String(tokens.remaining));
    sink.header('x-ratelimit-reset-tokens', duration(tokens.resetMs));
  }
}

/** A duration as OpenAI writes it: `120ms`, `1s`, `6m0s`, `1h0m0s`. Rounded up to whole seconds, from one second on. */
export function duration(ms: number): string {
  if (ms <= 0) return '0s';
  if (ms < SECOND_MS) return `${Math.ceil(ms)}ms`;
  const whole = Math.ceil(ms / SECOND_MS) * SECOND_MS;
  const hours = Math.floor(whole / HOUR_MS);
  const minutes = Math.floor((whole % HOUR_MS) / MINUTE_MS);
  const seconds = (whole % MINUTE_MS) / SECOND_MS;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
