import { GatewayError } from '../errors.js';
import { usd } from '../usd.js';
import type { BudgetState } from './alert.js';

/** What others have set aside may be free again this soon. */
const SOON_MS = 1000;

/** Whether the budget cannot hold the amount although nothing else were set aside. */
export function isUsedUp({ spent, budget }: BudgetState, amount: number): boolean {
  return spent + amount > budget.nano;
}

/** There is not enough left for a request that may cost `amount` nano-USD. */
export function exceeded(state: BudgetState, amount: number, now: number): GatewayError {
  const { kind, name, budget, period, spent, reserved } = state;
  const whose = `The budget of ${kind === 'key' ? 'this API key' : `the route "${name}"`}`;
  const size = `${usd(budget.nano)} USD ${budget.per === 'total' ? 'in total' : `per ${budget.per}`}`;
  const left = `${usd(Math.max(0, budget.nano - spent))} USD left`;
  const resets = period.end === null ? '' : ` It resets at ${new Date(period.end).toISOString()}.`;
  if (isUsedUp(state, amount)) {
    const message = `${whose} (${size}) has ${left}, and this request may cost ${usd(amount)} USD.${resets}`;
    const retryAfterMs = period.end === null ? undefined : period.end - now;
    return new GatewayError('budget_exceeded', message, { retryAfterMs });
  }
  const message = `${whose} (${size}) has ${left}, of which requests under way may need ${usd(reserved)} USD; this one may cost ${usd(amount)} USD.${resets}`;
  return new GatewayError('budget_exceeded', message, { retryAfterMs: SOON_MS });
}

/** Nobody knows what was spent, so nothing may be. */
export function unreadable(): GatewayError {
  const message = 'What was spent of the budget cannot be read now.';
  return new GatewayError('gateway_unavailable', message, { retryAfterMs: SOON_MS });
}
