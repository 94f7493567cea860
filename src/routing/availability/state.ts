import Type from 'typebox';
import Value from 'typebox/value';
import type { Scope, Scopes } from './scopes.js';

const Instant = Type.Number();
const Amount = Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Unknown = Type.Null();
const Counted = Type.Optional(Type.Array(Type.Tuple([Instant, Amount]), { maxItems: 1000 }));

const SavedScope = Type.Object({
  cooldowns: Type.Array(
    Type.Object({
      // What may have been put right before the restart is not saved: see `lasting`.
      obstacle: Type.Union([Type.Literal('rate_limited'), Type.Literal('payment_required')]),
      until: Instant,
      source: Type.String(),
      endpoint: Type.Union([Type.String(), Unknown]),
    }),
  ),
  quotas: Type.Array(
    Type.Object({
      resource: Type.Union([Type.Literal('requests'), Type.Literal('tokens')]),
      windowMs: Type.Union([Amount, Unknown]),
      limit: Type.Union([Amount, Unknown]),
      remaining: Type.Union([Amount, Unknown]),
      resetAt: Instant,
      source: Type.String(),
    }),
  ),
  windows: Type.Object({
    requestsPerMinute: Counted,
    tokensPerMinute: Counted,
    requestsPerHour: Counted,
    tokensPerHour: Counted,
    requestsPerDay: Counted,
    tokensPerDay: Counted,
  }),
  breaker: Type.Union([Type.Object({ until: Instant, openMs: Amount }), Unknown]),
});

type SavedScope = Type.Static<typeof SavedScope>;
type SavedCooldown = SavedScope['cooldowns'][number];
type SavedQuota = SavedScope['quotas'][number];

/** What is known about providers and targets, as plain JSON: by `provider` or `provider/model`. */
export type SavedAvailability = Record<string, SavedScope>;

/** A clock that was wrong must not block a target for years: no deadline is further away than this when it is saved. */
const MAX_DEADLINE_MS = 25 * 3_600_000;
/** Quotas may be for a month: what `rate-limit/duration.ts` believes is kept. */
const MAX_RESET_MS = 32 * 24 * 3_600_000;

/** Everything that outlasts the process: deadlines that are not over, and what the windows hold. */
export function saveScopes(all: Iterable<Scopes>, now: number): SavedAvailability {
  const saved: SavedAvailability = Object.create(null);
  for (const scopes of all) {
    for (const scope of scopes.named()) {
      const state = saveScope(scope, now);
      if (state !== null) saved[scope.key] = state;
    }
  }
  return saved;
}

function saveScope(scope: Scope, now: number): SavedScope | null {
  const cooldowns = scope.cooldowns.list(now).flatMap(lasting);
  const quotas = scope.quotas.list(now).flatMap(({ sentSince, ...quota }): SavedQuota[] => {
    const { remaining, resetAt } = quota;
    if (resetAt === null) return [];
    return [{ ...quota, resetAt, remaining: remaining === null ? null : Math.max(0, remaining - sentSince) }];
  });
  const windows = scope.meter?.save(now) ?? {};
  const opened = scope.breaker?.opened() ?? null;
  const breaker = opened !== null && opened.until > now ? { ...opened } : null;
  const counted = Object.values(windows).some((entries) => entries.length > 0);
  if (cooldowns.length + quotas.length === 0 && breaker === null && !counted) return null;
  return { cooldowns, quotas, windows, breaker };
}

/** A restart is how an operator puts a key, a URL or a model right, so what these caused is to be found out anew. */
function lasting({ obstacle, until, source, endpoint }: ReturnType<Scope['cooldowns']['list']>[number]) {
  const lasts = obstacle === 'rate_limited' || obstacle === 'payment_required';
  return lasts ? [{ obstacle, until, source, endpoint } satisfies SavedCooldown] : [];
}

/** Puts back what still holds, for providers and targets that the configuration names. Never throws. */
export function restoreScopes(byProvider: ReadonlyMap<string, Scopes>, saved: unknown, now: number): void {
  if (typeof saved !== 'object' || saved === null) return;
  for (const scopes of byProvider.values()) {
    for (const scope of scopes.named()) {
      const state: unknown = Reflect.get(saved, scope.key);
      if (Value.Check(SavedScope, state)) scope.shared.update(() => restoreScope(scope, state, now));
    }
  }
}

function restoreScope(scope: Scope, state: SavedScope, now: number): void {
  const holds = (until: number) => until > now && until <= now + MAX_DEADLINE_MS;
  for (const cooldown of state.cooldowns) if (holds(cooldown.until)) scope.cooldowns.add(cooldown);
  scope.quotas.learn(
    state.quotas.filter(({ resetAt }) => resetAt > now && resetAt <= now + MAX_RESET_MS),
    // Before every request that this process sends.
    { requests: 0, tokens: 0, at: 0 },
  );
  scope.meter?.restore(state.windows, now);
  if (state.breaker !== null && holds(state.breaker.until)) scope.breaker?.restore(state.breaker);
}
