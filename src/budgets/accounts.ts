import type { BudgetConfig } from '../config.js';
import type { Ledger } from '../db/ledger.js';
import { type Sharing, unshared } from '../workers/sharing.js';
import type { Subject } from './alert.js';
import { unreadable } from './error.js';
import { periodOf } from './period.js';
import { createTab, type Tab } from './tab.js';

/** What one subject has spent in one period. */
export interface Account {
  readonly subject: Subject;
  readonly per: BudgetConfig['per'];
  /** When the period began, epoch milliseconds. */
  readonly start: number;
  readonly tab: Tab;
}

/** The accounts that are open. */
export interface Accounts {
  /** The account of the period that `at`, epoch milliseconds, lies in. */
  open(subject: Subject, per: BudgetConfig['per'], at: number): Account;
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

  /** The period before may still have exchanges under way; those before that have had their time. */
  function dropOld({ kind, name }: Subject, start: number): void {
    const earlier = [...accounts].filter(
      ([, { subject, start: old }]) => subject.kind === kind && subject.name === name && old < start,
    );
    for (const [id, { tab }] of earlier.slice(0, -1)) if (tab.reserved === 0) accounts.delete(id);
  }

  /** What this gateway has settled before it asks is in the records when it has been written. */
  async function read(account: Opened): Promise<void> {
    const { tab, subject, per, start } = account;
    const { end } = periodOf(per, start);
    tab.refresh();
    const ownBefore = tab.own;
    await ledger.flush();
    if (ledger.health().status !== 'ok') throw unreadable();
    const [sum = 0] = await ledger.run('spent', [{ ...subject, since: start, until: end }]);
    tab.rebase(sum, ownBefore);
  }

  function find({ kind, name }: Subject, per: BudgetConfig['per'], start: number) {
    const id = `${kind} ${per} ${start} ${name}`;
    return { id, known: accounts.get(id) };
  }

  return {
    open(subject, per, at) {
      const { start } = periodOf(per, at);
      const { id, known } = find(subject, per, start);
      if (known !== undefined) return known;
      dropOld(subject, start);
      const opened = { subject, per, start, tab: createTab(id, sharing), loading: null };
      accounts.set(id, opened);
      return opened;
    },
    load(account) {
      const { known } = find(account.subject, account.per, account.start);
      if (known === undefined) return Promise.resolve();
      known.loading ??= read(known).finally(() => {
        known.loading = null;
      });
      return known.loading;
    },
    all: () => [...accounts.values()],
  };
}
