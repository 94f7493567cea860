import type { Config } from '../config.js';
import { type Sharing, unshared } from '../workers/sharing.js';
import { type Block, heavier, type Needs, type Obstacle } from './availability/block.js';
import type { Cooldown } from './availability/cooldowns.js';
import { type Permit, takePermit, together } from './availability/permit.js';
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
  /** Whether other workers take and free what this one does. */
  readonly isShared: boolean;
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
  /** What this process has under way, by provider and target; of those that have nothing under way, nothing. */
  inFlight(): Record<string, number>;
  /** What is worth keeping over a restart, as plain JSON. */
  save(now: number): SavedAvailability;
  /** Takes over what was saved and still holds. Before the first request; anything unusable is passed over. */
  restore(saved: unknown, now: number): void;
}

/**
 * The store for the providers of a configuration; what is known about targets that it names is never forgotten. With
 * `sharing`, all workers know the same: limits, and quotas of which little is left, are counted together, cooldowns and
 * the state of breakers are told when they change. Nothing is written for a request to a provider without limits that
 * has failed nobody.
 */
export function createAvailability(
  { providers, routes }: Pick<Config, 'providers' | 'routes'>,
  sharing: Sharing = unshared,
): Availability {
  const routed = Object.values(routes).flatMap(({ targets }) => targets);
  const byProvider = new Map<string, Scopes>();
  for (const provider of Object.values(providers)) {
    const { name, models } = provider;
    const declared = Object.keys(models).map((model) => `${name}/${model}`);
    const targets = [...declared, ...routed.filter((id) => providerOf(id) === name)];
    byProvider.set(name, createScopes(provider, targets, sharing));
  }

  function scopesOf(provider: string): Scopes {
    const scopes = byProvider.get(provider);
    if (scopes === undefined) throw new Error(`There is no provider "${provider}".`);
    return scopes;
  }

  /** With what the other workers know. */
  function all(): Scopes[] {
    const found = [...byProvider.values()];
    for (const scopes of found) for (const { shared } of scopes.all()) shared.refresh();
    return found;
  }

  function check(target: TargetName, now: number, needs: Needs): Block | null {
    const scopes = scopesOf(target.provider.name);
    // A target that is new here may be known to another worker.
    const own = sharing.isShared ? scopes.open(target.id) : scopes.find(target.id);
    scopes.provider.shared.refresh();
    own?.shared.refresh();
    const whole = blockOf(scopes.provider, now, needs);
    return own === undefined ? whole : heavier(whole, blockOf(own, now, needs));
  }

  return {
    isShared: sharing.isShared,
    check,
    reserve(target, now, needs) {
      const refused = check(target, now, needs);
      if (refused !== null) return refused;
      const { provider, open } = scopesOf(target.provider.name);
      const scope = open(target.id);
      const isQuiet = !sharing.isShared || scope.breaker?.opened() == null;
      return together(provider, scope, now, isQuiet, () => {
        // Another worker may have been faster.
        const block = sharing.isShared ? check(target, now, needs) : null;
        return block ?? takePermit(provider, scope, now, needs.tokens);
      });
    },
    block(key, obstacle, until, { source = 'default', endpoint = null } = {}) {
      const scopes = scopesOf(providerOf(key));
      const scope = key === scopes.provider.key ? scopes.provider : scopes.open(key);
      scope.shared.update(() => scope.cooldowns.add({ obstacle, until, source, endpoint }));
    },
    blocked(provider, target, now) {
      const scopes = scopesOf(provider);
      const scope = scopes.find(target);
      scopes.provider.shared.refresh();
      scope?.shared.refresh();
      const whole = scopes.provider.cooldowns.find(now, null);
      const own = scope?.cooldowns.find(now, null) ?? null;
      if (whole === null || own === null) return whole ?? own;
      return whole.until >= own.until ? whole : own;
    },
    snapshot: (now) => all().flatMap((scopes) => describeScopes(scopes, now)),
    inFlight() {
      const found: Record<string, number> = Object.create(null);
      for (const { key, shared } of all().flatMap((scopes) => scopes.all())) {
        const count = shared.inFlight();
        if (count > 0) found[key] = count;
      }
      return found;
    },
    save: (now) => saveScopes(all(), now),
    restore: (saved, now) => restoreScopes(byProvider, saved, now),
  };
}

/** The provider's name in `provider` or `provider/model`. */
function providerOf(key: string): string {
  const slash = key.indexOf('/');
  return slash < 0 ? key : key.slice(0, slash);
}
