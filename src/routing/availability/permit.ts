import type { Quota } from '../quota.js';
import type { Result } from './breaker.js';
import type { Place } from './quotas.js';
import type { Scope } from './scopes.js';

/** How a call ended. */
export interface Settlement {
  readonly result: Result;
  /** All tokens of question and answer, as the provider counted them; null: the estimate stands. */
  readonly tokens: number | null;
}

/** The right to send one request to one target. Whoever holds it must settle or release it, on every path. */
export interface Permit {
  /**
   * The request goes on the wire: the windows of the limits begin to count it. To be called when a connection takes
   * it, or just before it is handed over. Without this the request counts as never sent, and its counts are given back.
   */
  sent(now: number): void;
  /**
   * What the answer's headers say is left. An answer that comes late never replaces what the answer to a later request
   * has told. `scope` says whether the provider counts for each model or for the whole account.
   */
  learn(quotas: readonly Quota[], scope: 'target' | 'provider'): void;
  /** The exchange is complete. Only the first call of this or of `release` has an effect. */
  settle(now: number, settlement: Settlement): void;
  /** Nothing is known about how it ended, or it was never begun: `settle` with a neutral result. */
  release(now: number): void;
}

/** Beyond this a count of tokens is nonsense, and sums of it would no longer be exact. */
const MAX_TOKENS = 1e12;

/** Takes one request and its tokens from a provider and a target. Both must be free: nothing is checked here. */
export function takePermit(provider: Scope, target: Scope, startedAt: number, estimate: number): Permit {
  const tokens = countable(estimate);
  const pass = target.breaker?.enter() ?? 'ordinary';
  let sentAt: number | null = null;
  let settled = false;
  let places: { provider: Place; target: Place } | null = null;
  hold(provider, tokens);
  hold(target, tokens);

  function settle(now: number, { result, tokens: actual }: Settlement): void {
    if (settled) return;
    settled = true;
    if (target.breaker !== null) target.shared.refresh();
    const isQuiet = target.breaker?.isQuiet(pass, result) ?? true;
    together(provider, target, now, isQuiet, () => {
      leave(provider, now, actual);
      leave(target, now, actual);
      target.breaker?.leave(now, startedAt, pass, result);
    });
  }

  function leave(scope: Scope, now: number, actual: number | null): void {
    scope.traffic.inFlight -= 1;
    if (sentAt === null) giveBack(scope, tokens);
    else if (actual !== null) scope.meter?.correct(now, sentAt, tokens, countable(actual));
  }

  return {
    sent(now) {
      if (settled || sentAt !== null) return;
      sentAt = now;
      together(provider, target, now, true, () => {
        places = { provider: send(provider, now, tokens), target: send(target, now, tokens) };
      });
    },
    learn(quotas, scope) {
      if (places === null || quotas.length === 0) return;
      const known = scope === 'provider' ? provider : target;
      const place = places[scope];
      const wasCounted = known.shared.isCounted(place.at);
      known.quotas.learn(quotas, place);
      // Again, on top of what others have learnt.
      if (wasCounted || known.shared.isCounted(place.at))
        known.shared.update(() => known.quotas.learn(quotas, place));
    },
    settle,
    release: (now) => settle(now, { result: 'neutral', tokens: null }),
  };
}

/**
 * Changes a provider and a target in one step. Other workers are told of a scope in which requests are counted, and of
 * a target unless what happens to it is `quiet`.
 */
export function together<Result>(
  provider: Scope,
  target: Scope,
  now: number,
  quiet: boolean,
  act: () => Result,
): Result {
  const inner = quiet && !target.shared.isCounted(now) ? act : () => target.shared.update(act);
  return provider.shared.isCounted(now) ? provider.shared.update(inner) : inner();
}

/** An upstream may report anything. */
function countable(tokens: number): number {
  return tokens > 0 ? Math.min(MAX_TOKENS, Math.ceil(tokens)) : 0;
}

function hold({ traffic }: Scope, tokens: number): void {
  traffic.inFlight += 1;
  traffic.unsentRequests += 1;
  traffic.unsentTokens += tokens;
}

function giveBack({ traffic }: Scope, tokens: number): void {
  traffic.unsentRequests -= 1;
  traffic.unsentTokens -= tokens;
}

function send(scope: Scope, now: number, tokens: number): Place {
  const { traffic } = scope;
  giveBack(scope, tokens);
  traffic.sentRequests += 1;
  traffic.sentTokens += tokens;
  scope.meter?.count(now, tokens);
  return { requests: traffic.sentRequests, tokens: traffic.sentTokens, at: now };
}
