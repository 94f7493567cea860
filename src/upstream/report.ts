import type { Permit } from '../routing/availability.js';
import type { Observer, Sent } from '../routing/observe.js';
import type { Quota } from '../routing/quota.js';
import { totalTokens, type Usage } from '../stream/usage.js';
import type { ProviderType } from './presets.js';
import { readCooldown, readQuotas } from './rate-limit/read.js';
import type { UpstreamResponse } from './transport.js';

/** Tells the routing what becomes of one try. */
export interface Report {
  /** The request goes on the wire. */
  sent(): void;
  /** The head of an answer is there, whatever its status. */
  answered(response: Pick<UpstreamResponse, 'status' | 'headers'>): void;
  firstContent(): void;
  /** The whole answer was taken; `usage` is what the provider reported, if it did. Only the first ending counts. */
  succeeded(usage: Usage | null): void;
  /** The target failed by its own fault. */
  failed(): void;
  /** Another answer was taken before this one had begun. */
  outrun(): void;
  /** How it ended says nothing about the target. */
  ended(): void;
}

/** A report about a try that holds a permit; `freed` is called when it is given back. */
export function createReport(permit: Permit, observe: Observer, sent: Sent, freed: () => void): Report {
  const startedAt = Date.now();
  const { type } = sent.target.provider;
  let over = false;

  function end(result: 'success' | 'failure' | 'neutral', tokens: number | null): boolean {
    if (over) return false;
    over = true;
    permit.settle(Date.now(), { result, tokens });
    freed();
    return true;
  }

  return {
    sent: () => permit.sent(Date.now()),
    answered: (response) => permit.learn(quotasOf(type, response, Date.now()), 'target'),
    firstContent() {
      const now = Date.now();
      observe.firstContent(sent, now - startedAt, now);
    },
    succeeded(usage) {
      if (end('success', usage === null ? null : totalTokens(usage))) observe.answered(sent, usage);
    },
    failed() {
      const now = Date.now();
      if (end('failure', null)) observe.failed(sent, now - startedAt, now);
    },
    outrun() {
      const now = Date.now();
      if (end('neutral', null)) observe.outrun(sent, now - startedAt, now);
    },
    ended: () => void end('neutral', null),
  };
}

/**
 * What the answer says is left. A refusal that says when to come back means it: what its other headers say of a longer
 * window does not hold beyond that moment.
 */
function quotasOf(
  type: ProviderType,
  { status, headers }: Pick<UpstreamResponse, 'status' | 'headers'>,
  now: number,
): readonly Quota[] {
  const quotas = readQuotas(type, headers, now);
  const asks = status === 429 && quotas.length > 0 ? readCooldown(type, headers, null, now) : null;
  if (asks === null || !asks.source.startsWith('retry-after')) return quotas;
  const until = now + asks.forMs;
  return quotas.map((quota) =>
    quota.resetAt !== null && quota.resetAt > until ? { ...quota, resetAt: until } : quota,
  );
}

const nothing = (): void => {};

/** For what is not routed: nobody is told. */
export const noReport: Report = {
  sent: nothing,
  answered: nothing,
  firstContent: nothing,
  succeeded: nothing,
  failed: nothing,
  outrun: nothing,
  ended: nothing,
};
