import type { BudgetState } from './alert.js';

const NANO = 1e9;

/** A budget as the API shows it, in USD. */
export function budgetJson({ kind, name, budget, period, spent, reserved }: BudgetState) {
  return {
    [kind]: name,
    budget_usd: budget.nano / NANO,
    per: budget.per,
    kind: budget.kind,
    spent_usd: spent / NANO,
    reserved_usd: reserved / NANO,
    remaining_usd: (budget.nano - spent - reserved) / NANO,
    period_start: period.start === 0 ? null : new Date(period.start).toISOString(),
    resets_at: period.end === null ? null : new Date(period.end).toISOString(),
  };
}
