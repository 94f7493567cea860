import type { Config } from '../config.js';
import { type Block, heavier, type Needs, type Obstacle } from './availability/block.js';
import type { Cooldown } from './availability/cooldowns.js';
import { type Permit, takePermit } from './availability/permit.js';
import { blockOf, createScopes, type Scopes } from './availability/scopes.js';
import { type AvailabilityRow, describeScopes } from './availability/snapshot.js';
import { restoreScopes, type SavedAvailability, saveScopes } from './availability/state.js';

export type { Block, Needs, Obstacle } from './availability/block.js';
export type { Cooldown } from './availability/cooldowns.js';
export type { Permit } from './availability/permit.js';

/** The names of a target: every `Target` of the routing table fits. */
export interface TargetName {
  /** `provider/model`. */
  readonly id: string;
  readonly provider: { readonly name: string };
}

/** How a cooldown came about. */
export interface CooldownDetails {
  /** What told the deadline, for operators: a header's name, `body`, `default`. */
  readonly source?: string;
  /** The only family of endpoints it holds for; all of them without it. */
  readonly endpoint?: string | null;
}

/**
 * What is known now about targets: deadlines and counters, never timers, and `now` is always an argument (epoch
 * milliseconds). Everything is synchronous, so nothing can come between a check and what follows from it.
 */
export interface Availability {
  /** What keeps the target from taking a request like this at `now`; null when it is free. Changes nothing. */
  check(target: TargetName, now: number, needs: Needs): Block | null;
  /** Checks, and takes what the request needs if the target is free. The permit must be settled or released. */
  reserve(target: TargetName, now: number, needs: Needs): Permit | Block;
  /**
   * Blocks a provider (`provider`) or a target (`provider/model`) until a moment. A later deadline replaces an earlier
   * one, never the other way round, and no success ends it.
   */
  block(key: string, obstacle: Obstacle, until: number, details?: CooldownDetails): void;
  /** The cooldown that ends last, of those that hold for every endpoint; null when there is none. */
  blocked(provider: string, target: string, now: number): Cooldown | null;
  /** What `GET /stats/availability` answers: a row for each provider and each target. */
  snapshot(now: number): AvailabilityRow[];
  /** What is worth keeping over a restart, as plain JSON. */
  save(now: number): SavedAvailability;
  /** Takes over what was saved and still holds. Before the first request; anything unusable is passed over. */
  restore(saved: unknown, now: number): void;
}

/** The store for the providers of a configuration; what is known about targets that it names is never forgotten. */
export function createAvailability({
  providers,
  routes,
}: Pick<Config, 'providers' | 'routes'>): Availability {
  const routed = Object.values(routes).flatMap(({ targets }) => targets);
  const byProvider = new Map<string, Scopes>();
  for (const provider of Object.values(providers)) {
    const { name, models } = provider;
    const declared = Object.keys(models).map((model) => `${name}/${model}`);
    const targets = [...declared, ...routed.filter((id) => providerOf(id) === name)];
    byProvider.set(name, createScopes(provider, targets));
  }

  function scopesOf(provider: string): Scopes {
    const scopes = byProvider.get(provider);
    if (scopes === undefined) throw new Error(`There is no provider "${provider}".`);
    return scopes;
  }

  function check(target: TargetName, now: number, needs: Needs): Block | null {
    const scopes = scopesOf(target.provider.name);
    const own = scopes.find(target.id);
    const whole = blockOf(scopes.provider, now, needs);
    return own === undefined ? whole : heavier(whole, blockOf(own, now, needs));
  }

  return {
    check,
    reserve(target, now, needs) {
      const block = check(target, now, needs);
      if (block !== null) return block;
      const scopes = scopesOf(target.provider.name);
      return takePermit(scopes.provider, scopes.open(target.id), now, needs.tokens);
    },
    block(key, obstacle, until, { source = 'default', endpoint = null } = {}) {
      const scopes = scopesOf(providerOf(key));
      const scope = key === scopes.provider.key ? scopes.provider : scopes.open(key);
      scope.cooldowns.add({ obstacle, until, source, endpoint });
    },
    blocked(provider, target, now) {
      const scopes = scopesOf(provider);
      const whole = scopes.provider.cooldowns.find(now, null);
      const own = scopes.find(target)?.cooldowns.find(now, null) ?? null;
      if (whole === null || own === null) return whole ?? own;
      return whole.until >= own.until ? whole : own;
    },
    snapshot: (now) => [...byProvider.values()].flatMap((scopes) => describeScopes(scopes, now)),
    save: (now) => saveScopes(byProvider.values(), now),
    restore: (saved, now) => restoreScopes(byProvider, saved, now),
  };
}

/** The provider's name in `provider` or `provider/model`. */
function providerOf(key: string): string {
  const slash = key.indexOf('/');
  return slash < 0 ? key : key.slice(0, slash);
}
