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

/** A report about a try that holds a permit; `freed` is called with the provider's name when it is given back. */
export function createReport(
  permit: Permit,
  observe: Observer,
  sent: Sent,
  freed: (provider: string) => void,
): Report {
  return new PermitReport(permit, observe, sent, freed);
}

/** A class, because there is one for each attempt: its methods are shared. */
class PermitReport implements Report {
  private readonly startedAt = Date.now();
  private isOver = false;

  constructor(
    private readonly permit: Permit,
    private readonly observe: Observer,
    private readonly about: Sent,
    private readonly freed: (provider: string) => void,
  ) {}

  sent(): void {
    this.permit.sent(Date.now());
  }

  answered(response: Pick<UpstreamResponse, 'status' | 'headers'>): void {
    this.permit.learn(quotasOf(this.about.target.provider.type, response, Date.now()), 'target');
  }

  firstContent(): void {
    const now = Date.now();
    this.observe.firstContent(this.about, now - this.startedAt, now);
  }

  succeeded(usage: Usage | null): void {
    const tokens = usage === null ? null : totalTokens(usage);
    if (this.end('success', tokens)) this.observe.answered(this.about, usage);
  }

  failed(): void {
    const now = Date.now();
    if (this.end('failure', null)) this.observe.failed(this.about, now - this.startedAt, now);
  }

  outrun(): void {
    const now = Date.now();
    if (this.end('neutral', null)) this.observe.outrun(this.about, now - this.startedAt, now);
  }

  ended(): void {
    this.end('neutral', null);
  }

  private end(result: 'success' | 'failure' | 'neutral', tokens: number | null): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    this.permit.settle(Date.now(), { result, tokens });
    this.freed(this.about.target.provider.name);
    return true;
  }
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
