import type { BudgetConfig } from '../config.js';
import type { Ledger } from '../db/ledger.js';
import { type Sharing, unshared } from '../workers/sharing.js';
import type { Subject } from './alert.js';
import { unreadable } from './error.js';
import { isWithin, type Period, periodOf } from './period.js';
import { createTab, type Tab } from './tab.js';

/** What one subject has spent in one period. */
export interface Account {
  readonly subject: Subject;
  readonly per: BudgetConfig['per'];
  readonly period: Period;
  readonly tab: Tab;
}

/** The accounts that are open. */
export interface Accounts {
  /** The account of the period that `at`, epoch milliseconds, lies in. */
  open(kind: Subject['kind'], name: string, per: BudgetConfig['per'], at: number): Account;
  /** Brings it up to what the records come to. Rejects when they cannot be read, or are not all written. */
  load(account: Account): Promise<void>;
  all(): Account[];
}

interface Opened extends Account {
  loading: Promise<void> | null;
}

/** Accounts over the records of a ledger, which workers may share. */
export function createAccounts(
  ledger: Pick<Ledger, 'flush' | 'health' | 'run'>,
  sharing: Sharing = unshared,
): Accounts {
  const accounts = new Map<string, Opened>();
  /** Those that were asked for last, by kind and name. */
  const latest = { key: new Map<string, Opened>(), route: new Map<string, Opened>() };

  /** The period before may still have exchanges under way; those before that have had their time. */
  function dropOld({ kind, name }: Subject, start: number): void {
    const earlier = [...accounts].filter(
      ([, { subject, period }]) => subject.kind === kind && subject.name === name && period.start < start,
    );
    for (const [id, account] of earlier.slice(0, -1)) {
      if (account.tab.reserved !== 0) continue;
      accounts.delete(id);
      if (latest[kind].get(name) === account) latest[kind].delete(name);
    }
  }

  /** What this gateway has settled before it asks is in the records when it has been written. */
  async function read(account: Opened): Promise<void> {
    const { tab, subject, period } = account;
    tab.refresh();
    const ownBefore = tab.own;
    await ledger.flush();
    if (ledger.health().status !== 'ok') throw unreadable();
    const [sum = 0] = await ledger.run('spent', [{ ...subject, since: period.start, until: period.end }]);
    tab.rebase(sum, ownBefore);
  }

  function idOf({ kind, name }: Subject, per: BudgetConfig['per'], { start }: Period): string {
    return `${kind} ${per} ${start} ${name}`;
  }

  function find(subject: Subject, per: BudgetConfig['per'], at: number): Opened {
    const period = periodOf(per, at);
    const id = idOf(subject, per, period);
    const known = accounts.get(id);
    if (known !== undefined) return known;
    dropOld(subject, period.start);
    const opened = { subject, per, period, tab: createTab(id, sharing), loading: null };
    accounts.set(id, opened);
    return opened;
  }

  return {
    open(kind, name, per, at) {
      const last = latest[kind].get(name);
      if (last?.per === per && isWithin(last.period, at)) return last;
      const found = find({ kind, name }, per, at);
      latest[kind].set(name, found);
      return found;
    },
    load({ subject, per, period }) {
      const known = accounts.get(idOf(subject, per, period));
      if (known === undefined) return Promise.resolve();
      known.loading ??= read(known).finally(() => {
        known.loading = null;
      });
      return known.loading;
    },
    all: () => [...accounts.values()],
  };
}
