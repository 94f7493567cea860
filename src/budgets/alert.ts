import type { BudgetConfig } from '../config.js';
import type { Alert } from '../db/alerts.js';
import type { Period } from './period.js';

/** Whose budget it is. */
export interface Subject {
  readonly kind: 'key' | 'route';
  readonly name: string;
}

/** What stands in a budget now. Amounts are integer nano-USD. */
export interface BudgetState extends Subject {
  readonly budget: BudgetConfig;
  readonly period: Period;
  readonly spent: number;
  readonly reserved: number;
}

const NANO = 1e9;
/** Shares of a budget, in percent, that are worth telling of. */
const THRESHOLDS = [50, 80, 100];

/** A refusal of a request that may cost at most this part of a budget means that the budget is as good as spent. */
const CRUMB = 0.05;

/** Watches budgets fill. */
export interface Alarm {
  /** `what` stands for the budget and its period. */
  look(what: object, state: BudgetState): void;
  /** A request was refused that may cost `amount` nano-USD: a hard budget is seldom spent to the last cent. */
  refused(what: object, state: BudgetState, amount: number): void;
}

/** Tells of each threshold once, as long as the limit stays what it is. */
export function createAlarm(onAlert: (alert: Alert) => void): Alarm {
  const told = new WeakMap<object, { level: number; nano: number }>();

  function reach(what: object, state: BudgetState, level: number): void {
    const before = told.get(what);
    const from = before?.nano === state.budget.nano ? before.level : 0;
    if (level <= from && before?.nano === state.budget.nano) return;
    told.set(what, { level, nano: state.budget.nano });
    for (const percent of THRESHOLDS.slice(from, level)) onAlert(alertOf(percent, state));
  }

  return {
    look: (what, state) => reach(what, state, levelOf(state)),
    refused(what, state, amount) {
      if (amount <= state.budget.nano * CRUMB) reach(what, state, THRESHOLDS.length);
    },
  };
}

/** How many of the thresholds a state has reached. */
function levelOf({ spent, budget }: BudgetState): number {
  let level = 0;
  if (budget.nano === 0) return level;
  for (const percent of THRESHOLDS) if (spent * 100 >= budget.nano * percent) level++;
  return level;
}

/** The same budget, period and threshold make the same id, whoever makes it. */
function alertOf(percent: number, { kind, name, budget, period, spent }: BudgetState): Alert {
  const { nano, per } = budget;
  const start = new Date(period.start).toISOString();
  const id = [kind, name, per, start, nano, percent].join(' ');
  const body = {
    id,
    type: 'budget.threshold',
    [kind]: name,
    budget: { usd: nano / NANO, per, kind: budget.kind },
    threshold: percent / 100,
    spent_usd: spent / NANO,
    share: nano === 0 ? null : spent / nano,
    period_start: period.start === 0 ? null : start,
    resets_at: period.end === null ? null : new Date(period.end).toISOString(),
  };
  return { id, body: JSON.stringify(body) };
}
