import type { BudgetConfig } from '../config.js';
import type { Alert } from '../db/alerts.js';
import type { Ledger, LedgerLogger } from '../db/ledger.js';
import type { Exchange } from '../exchange.js';
import { cancelledError } from '../upstream/final.js';
import { type Sharing, unshared } from '../workers/sharing.js';
import { type Account, createAccounts } from './accounts.js';
import { type BudgetState, createAlarm, type Subject } from './alert.js';
import { exceeded, isUsedUp, unreadable } from './error.js';
import type { Held, Reservation } from './held.js';
import { chargeOf, freeOfCharge, type Quote } from './quote.js';

/** What keys and routes may spend, and have spent. */
export interface Budgets {
  /** Whether the exchange's key or route has a budget: `hard` when one of them is. */
  appliesTo(exchange: Exchange): BudgetConfig['kind'] | null;
  /**
   * Sets aside what the exchange may cost, in all of its budgets or in none. Rejects with a `GatewayError` 429 when a
   * hard one has not enough left, and 503 when nobody knows what was spent.
   */
  admit(exchange: Exchange, quote: Quote): Promise<void>;
  /**
   * The exchange is over: its cost, which may be written into it here, takes the place of what was set aside. Needs no
   * `this`.
   */
  settle(exchange: Exchange): void;
  /** The budgets of an exchange, as they will stand when it has cost what is known of its cost by now. */
  states(exchange: Exchange): BudgetState[];
  /** Every budget there is. Rejects with `LLM_GATEWAY_LEDGER_UNAVAILABLE`. */
  list(): Promise<BudgetState[]>;
  /** Takes over what other processes have spent. Never rejects. */
  refresh(): Promise<void>;
}

export interface BudgetsOptions {
  /** The budget of a key or a route as it is now; null for none. */
  budgetOf(kind: Subject['kind'], name: string): BudgetConfig | null;
  /** All that may have one. */
  subjects(): Subject[];
  readonly ledger: Pick<Ledger, 'flush' | 'health' | 'run'>;
  readonly logger: Pick<LedgerLogger, 'warn'>;
  /** Is told, once for each state, that a threshold was reached; after a restart perhaps again. */
  onAlert(alert: Alert): void;
  /** With other workers of this gateway. */
  readonly sharing?: Sharing;
  /** Epoch milliseconds. */
  readonly now?: () => number;
}

/** One budget that an exchange is charged to. */
interface Claim {
  readonly budget: BudgetConfig;
  readonly account: Account;
}

const nothingHeld: Held = { quote: freeOfCharge, reservations: [] };

/**
 * Accounts in memory over the records of the ledger: what was spent is the sum of the records when the process starts,
 * and what it has settled since. Nothing that is set aside outlives the process. Workers of one gateway share them.
 */
export function createBudgets(options: BudgetsOptions): Budgets {
  const { budgetOf, ledger, logger, sharing = unshared, now = Date.now } = options;
  const bootedAt = now();
  const accounts = createAccounts(ledger, sharing);
  const alarm = createAlarm(options.onAlert);
  let reloading: Promise<void> | null = null;
  let next: Promise<void> | null = null;

  /** Costs next to nothing, which is what an exchange without a budget is to cost. */
  function isFree({ key, route }: Exchange): boolean {
    if (key !== null && budgetOf('key', key) !== null) return false;
    return route === null || budgetOf('route', route) === null;
  }

  function claimsOf({ key, route, startedAt }: Exchange): Claim[] {
    const claims: Claim[] = [];
    if (key !== null) addClaim(claims, 'key', key, startedAt);
    if (route !== null) addClaim(claims, 'route', route, startedAt);
    return claims;
  }

  function addClaim(claims: Claim[], kind: Subject['kind'], name: string, at: number): void {
    const budget = budgetOf(kind, name);
    if (budget !== null) claims.push({ budget, account: accounts.open(kind, name, budget.per, at) });
  }

  function stateOf({ budget, account: { subject, period, tab } }: Claim): BudgetState {
    tab.refresh();
    const { kind, name } = subject;
    return { kind, name, budget, period, spent: tab.spent, reserved: tab.reserved };
  }

  async function load(claim: Claim): Promise<void> {
    await accounts.load(claim.account);
    alarm.look(claim.account, stateOf(claim));
  }

  /** Whether what was spent before has been read; another worker may have done it. */
  function isKnown({ account: { tab } }: Claim): boolean {
    tab.refresh();
    return tab.isBased;
  }

  /** What was spent before is read once for each period, by whoever needs it first. */
  async function ready(claim: Claim): Promise<void> {
    const { account, budget } = claim;
    if (isKnown(claim)) return;
    try {
      await load(claim);
    } catch (error) {
      complain(account.subject, error);
      // In a period that began under the eyes of this process it is known without the records.
      if (budget.kind === 'hard' && account.period.start < bootedAt) throw unreadable();
    }
  }

  async function reload(): Promise<void> {
    for (const account of accounts.all()) {
      const budget = budgetOf(account.subject.kind, account.subject.name);
      if (budget?.per !== account.per) continue;
      try {
        await load({ budget, account });
      } catch (error) {
        complain(account.subject, error);
        return;
      }
    }
  }

  /** Reading many budgets can take longer than it takes others to write again: then once more, and not beside it. */
  function refresh(): Promise<void> {
    if (reloading === null) {
      reloading = reload().finally(() => {
        reloading = null;
      });
      return reloading;
    }
    next ??= reloading.then(() => {
      next = null;
      return refresh();
    });
    return next;
  }

  function complain(subject: Subject, error: unknown): void {
    logger.warn({ ...subject, error: String(error) }, 'what was spent of a budget cannot be read');
  }

  /** In one breath, so that no two exchanges see the same money. */
  function reserve(claims: readonly Claim[], amount: number): readonly Reservation[] {
    const reservations: Reservation[] = [];
    const giveBack = (): void => {
      for (const { hold } of reservations) hold.settle(0);
    };
    for (const claim of claims) {
      const { account, budget } = claim;
      const hold = account.tab.reserve(amount, budget.kind === 'hard' ? budget.nano : Infinity);
      if (hold === null) {
        giveBack();
        const state = stateOf(claim);
        if (isUsedUp(state, amount)) alarm.refused(account, state, amount);
        throw exceeded(state, amount, now());
      }
      reservations.push({ account, hold });
      // What other workers have set aside is not known.
      if (budget.kind === 'hard' && !sharing.isIntact) {
        giveBack();
        throw unreadable();
      }
    }
    return reservations;
  }

  /** As it will stand when the exchange has cost what is known of its cost by now. */
  function stateAfter(claim: Claim, { costNano, budgetHold }: Exchange): BudgetState {
    const state = stateOf(claim);
    if (budgetHold === null || budgetHold === 'settled') return state;
    const hold = budgetHold.reservations.find(({ account }) => account === claim.account)?.hold;
    if (hold === undefined || hold.isSettled() || costNano === null) return state;
    return { ...state, spent: state.spent + costNano, reserved: state.reserved - hold.amount };
  }

  return {
    appliesTo({ key, route }) {
      const ofKey = key === null ? null : budgetOf('key', key);
      const ofRoute = route === null ? null : budgetOf('route', route);
      if (ofKey?.kind === 'hard' || ofRoute?.kind === 'hard') return 'hard';
      return (ofKey ?? ofRoute)?.kind ?? null;
    },
    async admit(exchange, quote) {
      const claims = claimsOf(exchange);
      for (const claim of claims) if (!isKnown(claim)) await ready(claim);
      // Nobody would give back what is set aside for an exchange that was over meanwhile.
      const isOver = exchange.totalUs !== null || exchange.budgetHold === 'settled';
      if (exchange.cancelled !== null || isOver) throw cancelledError(exchange);
      exchange.budgetHold = { quote, reservations: reserve(claims, quote.most) };
    },
    settle(exchange) {
      const { budgetHold } = exchange;
      if (budgetHold === 'settled' || (budgetHold === null && isFree(exchange))) return;
      exchange.budgetHold = 'settled';
      const { quote, reservations } = budgetHold ?? nothingHeld;
      const cost = chargeOf(exchange, quote);
      for (const { hold } of reservations) hold.settle(cost);
      for (const claim of claimsOf(exchange)) {
        // A budget that came while the exchange was under way.
        if (!reservations.some(({ account }) => account === claim.account)) claim.account.tab.add(cost);
        alarm.look(claim.account, stateOf(claim));
      }
    },
    states(exchange) {
      if (isFree(exchange)) return [];
      return claimsOf(exchange).map((claim) => stateAfter(claim, exchange));
    },
    async list() {
      const claims: Claim[] = [];
      for (const { kind, name } of options.subjects()) addClaim(claims, kind, name, now());
      for (const claim of claims) if (!isKnown(claim)) await load(claim);
      return claims.map(stateOf);
    },
    refresh,
  };
}
