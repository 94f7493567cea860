import type { Standing, Standings } from './store.js';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** The headers in which OpenAI tells a caller what is left to it, so that its clients understand them. */
export function limitHeaders({ requests, tokens }: Standings): Record<string, string> {
  return { ...headersOf('requests', requests), ...headersOf('tokens', tokens) };
}

function headersOf(unit: 'requests' | 'tokens', standing: Standing | null): Record<string, string> {
  if (standing === null) return {};
  return {
    [`x-ratelimit-limit-${unit}`]: String(standing.limit),
    [`x-ratelimit-remaining-${unit}`]: String(standing.remaining),
    [`x-ratelimit-reset-${unit}`]: duration(standing.resetMs),
  };
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
