import type { ProviderConfig } from '../../config/types.js';
import { type Sharing, unshared } from '../../workers/sharing.js';
import { type Block, heavier, type Needs, noTraffic, type Traffic } from './block.js';
import { type Breaker, createBreaker } from './breaker.js';
import { type Cooldowns, createCooldowns } from './cooldowns.js';
import { createMeter, type Meter } from './limits.js';
import { createQuotas, type Quotas } from './quotas.js';
import { type ScopeSharing, shareScope } from './sharing.js';

/** What the store needs to know about a provider. */
export type Account = Pick<ProviderConfig, 'name' | 'limits' | 'breaker'>;

/** A provider, or one of its targets, and all that is known about it. */
export interface Scope {
  /** `provider` or `provider/model`. */
  readonly key: string;
  readonly traffic: Traffic;
  readonly cooldowns: Cooldowns;
  readonly quotas: Quotas;
  /** Only a provider has limits. */
  readonly meter: Meter | null;
  /** Only a target has a breaker. */
  readonly breaker: Breaker | null;
  readonly shared: ScopeSharing;
}

/** A provider with its targets. */
export interface Scopes {
  readonly provider: Scope;
  /** What is known about a target; undefined when that is nothing. */
  find(target: string): Scope | undefined;
  /** The same, made when it is not there yet. */
  open(target: string): Scope;
  /** The provider and the targets that anything may be known about. */
  all(): Scope[];
  /** The provider and the targets that the configuration names. */
  named(): Scope[];
}

/**
 * Callers may name any model of a provider that declares none, so the number of the others has to be bounded: the one
 * that was used least recently is forgotten. It says nothing about models that somebody really uses.
 */
const MAX_OTHERS = 200;

/** The scopes of a provider; those of the targets that the configuration names are never forgotten. */
export function createScopes(
  account: Account,
  targets: readonly string[],
  sharing: Sharing = unshared,
): Scopes {
  const provider = createScope(account.name, account, 'provider', sharing);
  const named = new Map(targets.map((target) => [target, createScope(target, account, 'target', sharing)]));
  const others = new Map<string, Scope>();
  return {
    provider,
    find: (target) => named.get(target) ?? others.get(target),
    open(target) {
      const own = named.get(target);
      if (own !== undefined) return own;
      const other = others.get(target) ?? createScope(target, account, 'target', sharing);
      others.delete(target);
      others.set(target, other);
      if (others.size > MAX_OTHERS) {
        const [oldest] = others.keys();
        if (oldest !== undefined) {
          others.get(oldest)?.shared.forget();
          others.delete(oldest);
        }
      }
      return other;
    },
    all: () => [provider, ...named.values(), ...others.values()],
    named: () => [provider, ...named.values()],
  };
}

function createScope(key: string, account: Account, kind: 'provider' | 'target', sharing: Sharing): Scope {
  const traffic = noTraffic();
  const { limits, breaker } = account;
  const parts = {
    key,
    traffic,
    cooldowns: createCooldowns(),
    quotas: createQuotas(traffic),
    meter: kind === 'provider' && limits !== null ? createMeter(limits, traffic) : null,
    breaker: kind === 'target' && breaker !== null ? createBreaker(breaker, sharing.isShared) : null,
  };
  return { ...parts, shared: shareScope(parts, sharing) };
}

/** What keeps a scope from being used. Allocates nothing when it is free. */
export function blockOf(scope: Scope, now: number, needs: Needs): Block | null {
  const told = heavier(scope.cooldowns.find(now, needs.endpoint), scope.quotas.block(now, needs.tokens));
  const counted = heavier(scope.meter?.block(now, needs.tokens) ?? null, scope.breaker?.block(now) ?? null);
  return heavier(told, counted);
}
