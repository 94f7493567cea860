import type { LimitsConfig } from '../config/types.js';
import { type Block, noTraffic, type Traffic } from '../routing/availability/block.js';
import {
  type CountedWindows,
  createMeter,
  type LimitUse,
  type Meter,
} from '../routing/availability/limits.js';
import { type Shared, type Sharing, type Subject, unshared } from '../workers/sharing.js';
import type { LimitPermit, LimitStore, Refusal, Standing } from './store.js';

/** Nobody knows when a place becomes free. */
const PLACE_RETRY_MS = 1000;
/** Keys that are not used are forgotten beyond so many: some may have been revoked long ago. */
const MAX_IDLE_KEYS = 10_000;

/** What one key uses. Requests and tokens are taken at two moments, so there is a meter for each. */
interface Account {
  limits: LimitsConfig;
  requests: Meter;
  tokens: Meter;
  readonly traffic: Traffic;
  readonly shared: Shared;
}

const noLimits: LimitsConfig = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  requestsPerHour: null,
  tokensPerHour: null,
  requestsPerDay: null,
  tokensPerDay: null,
  concurrency: null,
};

/**
 * Limits in the memory of this process: exact over every interleaving, because nothing comes between a check and what
 * is taken. A window forgets up to one of its buckets late (1 s of a minute, 30 s of an hour, 10 min of a day), never
 * early. 5 kB for a key with every limit. A restart forgets everything. With `sharing`, the same holds for all
 * processes together; what costs nothing there, because nothing of the key is limited that way, costs nothing here.
 */
export function createMemoryLimits(sharing: Sharing = unshared): LimitStore {
  const accounts = new Map<string, Account>();

  function accountOf(key: string, limits: LimitsConfig, now: number): Account {
    const known = accounts.get(key);
    if (known !== undefined) {
      if (known.limits !== limits) change(known, limits, now);
      return known;
    }
    if (accounts.size >= MAX_IDLE_KEYS) forgetIdle(accounts, now);
    const traffic = noTraffic();
    const state = { limits, traffic, ...metersOf(limits, traffic) };
    const account = Object.assign(state, { shared: sharing.join(key, subjectOf(state)) });
    accounts.set(key, account);
    return account;
  }

  return {
    admit(key, limits, now) {
      const account = accountOf(key, limits, now);
      return account.shared.update(() => {
        const block = account.requests.block(now, 0);
        return block === null ? takePlace(account, now) : refusalOf(block, limits, now);
      });
    },
    standings(key, limits, now) {
      const { requests, tokens, shared } = accountOf(key, limits, now);
      shared.refresh();
      return { requests: tightest(requests.uses(now), now), tokens: tightest(tokens.uses(now), now) };
    },
  };
}

/** What several processes know together of a key. */
function subjectOf(account: Omit<Account, 'shared'>): Subject<Record<'requests' | 'tokens', CountedWindows>> {
  const { traffic } = account;
  let elsewhere = 0;
  return {
    save: () => ({ requests: account.requests.dump(), tokens: account.tokens.dump() }),
    load({ requests, tokens }, [inFlight = 0]) {
      account.requests.load(requests);
      account.tokens.load(tokens);
      traffic.inFlight += inFlight - elsewhere;
      elsewhere = inFlight;
    },
    held: () => (account.limits.concurrency === null ? [] : [traffic.inFlight - elsewhere]),
  };
}

function hasTokenLimit({ limits }: Account): boolean {
  return limits.tokensPerMinute !== null || limits.tokensPerHour !== null || limits.tokensPerDay !== null;
}

function metersOf(limits: LimitsConfig, traffic: Traffic): Pick<Account, 'requests' | 'tokens'> {
  const { tokensPerMinute, tokensPerHour, tokensPerDay, ...perRequests } = limits;
  const perTokens = { tokensPerMinute, tokensPerHour, tokensPerDay };
  return {
    requests: createMeter({ ...noLimits, ...perRequests }, traffic, 0),
    tokens: createMeter({ ...noLimits, ...perTokens }, traffic, 0),
  };
}

/** What was counted for windows that stay is counted on, and who is in stays in. */
function change(account: Account, limits: LimitsConfig, now: number): void {
  const { requests, tokens } = metersOf(limits, account.traffic);
  requests.restore(account.requests.save(now), now);
  tokens.restore(account.tokens.save(now), now);
  Object.assign(account, { limits, requests, tokens });
}

function takePlace(account: Account, admittedAt: number): LimitPermit {
  let open = true;
  let reserved: { at: number; tokens: number } | null = null;
  account.requests.count(admittedAt, 0);
  account.traffic.inFlight += 1;

  function leave(): void {
    open = false;
    account.traffic.inFlight -= 1;
  }

  function takeBack(): void {
    leave();
    account.requests.uncount(admittedAt, 0);
    if (reserved !== null) account.tokens.uncount(reserved.at, reserved.tokens);
  }

  return {
    reserveTokens(now, tokens) {
      if (!open || reserved !== null || !hasTokenLimit(account)) return null;
      return account.shared.update(() => {
        const block = account.tokens.block(now, tokens);
        if (block !== null) {
          takeBack();
          return refusalOf(block, account.limits, now);
        }
        account.tokens.count(now, tokens);
        reserved = { at: now, tokens };
        return null;
      });
    },
    refuse() {
      if (open) account.shared.update(takeBack);
    },
    settle(now, tokens) {
      if (!open) return;
      if (reserved === null && account.limits.concurrency === null) return leave();
      account.shared.update(() => {
        leave();
        if (reserved !== null && tokens !== null) {
          account.tokens.correct(now, reserved.at, reserved.tokens, tokens);
        }
      });
    },
  };
}

function refusalOf({ obstacle, until, source }: Block, limits: LimitsConfig, now: number): Refusal {
  const limit = limitNames.find((name) => source === `limits.${name}`) ?? 'concurrency';
  const wait = obstacle === 'concurrency_full' ? PLACE_RETRY_MS : until === null ? null : until - now;
  return { limit, most: limits[limit] ?? 0, retryAfterMs: wait };
}

const limitNames: readonly (keyof LimitsConfig)[] = [
  'requestsPerMinute',
  'tokensPerMinute',
  'requestsPerHour',
  'tokensPerHour',
  'requestsPerDay',
  'tokensPerDay',
  'concurrency',
];

/** The window with the least left; of equal ones the one that takes longest to be whole again. */
function tightest(uses: readonly LimitUse[], now: number): Standing | null {
  let found: Standing | null = null;
  for (const { name, limit, used, resetAt } of uses) {
    if (name === 'concurrency') continue;
    const standing = {
      limit,
      remaining: Math.max(0, Math.floor(limit - used)),
      resetMs: resetAt === null ? 0 : Math.max(0, resetAt - now),
    };
    const isTighter =
      found === null ||
      standing.remaining < found.remaining ||
      (standing.remaining === found.remaining && standing.resetMs > found.resetMs);
    if (isTighter) found = standing;
  }
  return found;
}

function forgetIdle(accounts: Map<string, Account>, now: number): void {
  for (const [key, { traffic, requests, tokens }] of accounts) {
    const isUsed = [...requests.uses(now), ...tokens.uses(now)].some(({ used }) => used > 0);
    if (!isUsed && traffic.inFlight === 0) accounts.delete(key);
  }
}
