import type { FastifyInstance, FastifyReply } from 'fastify';
import fp from 'fastify-plugin';
import type { BudgetState, Subject } from '../src/budgets/alert.js';
import { createBudgets } from '../src/budgets/budgets.js';
import { createWebhook } from '../src/budgets/webhook.js';
import type { Config } from '../src/config.js';
import type { Ledger } from '../src/db/ledger.js';
import type { Exchange } from '../src/exchange.js';
import type { Workers } from '../src/workers/workers.js';
import '../src/types.js';
import { usd } from '../src/usd.js';
import { workersOf } from './workers.js';

/** Options of the budgets plugin; a parsed `Config` fits. */
export type BudgetsOptions = Pick<Config, 'routes' | 'webhook'>;

/**
 * Decorates `app.gatewayBudgets`, and tells callers that have a budget what is left of it: `x-gateway-budget-remaining`
 * in USD, and `x-gateway-budget-reset`, when it begins anew.
 */
async function budgetsPlugin(app: FastifyInstance, { routes, webhook }: BudgetsOptions): Promise<void> {
  const { gatewayLedger: ledger, gatewayKeys: keys } = app;
  const orders =
    webhook === null ? null : createWebhook(webhook, (order) => ledger.run('alerts', order), app.log);
  const workers = workersOf(app);
  const budgets = createBudgets({
    ledger: flushingAll(ledger, workers),
    sharing: workers.sharing('budgets'),
    logger: app.log,
    budgetOf: (kind, name) => (kind === 'key' ? keys.named(name) : routes[name])?.budget ?? null,
    subjects: () => [
      ...keys.callers().map(({ name }): Subject => ({ kind: 'key', name: name ?? '' })),
      ...Object.keys(routes).map((name): Subject => ({ kind: 'route', name })),
    ],
    onAlert: (alert) => orders?.raise(alert),
  });
  app.decorate('gatewayBudgets', budgets);
  app.addHook('onSend', (request, reply, payload, done) => {
    const { exchange } = request;
    const states = exchange === null ? [] : budgets.states(exchange);
    if (exchange !== null && states.length > 0) {
      tell(reply, exchange, states);
    }
    done(null, payload);
  });
  // The workers share the accounts: what others have spent is added by one of them.
  const stop = workers.isFirst ? ledger.watch(() => void budgets.refresh()) : () => {};
  app.addHook('onReady', async () => {
    await budgets.list().catch((error) => app.log.warn({ err: error }, 'the budgets cannot be read'));
  });
  app.addHook('onClose', async () => {
    stop();
    await orders?.close();
  });
}

/** A flush that rejects unless every worker has written what it recorded. */
function flushingAll(ledger: Ledger, workers: Workers): Pick<Ledger, 'flush' | 'health' | 'run'> {
  if (workers.count === 1) return ledger;
  return {
    ...ledger,
    async flush() {
      const [{ answers, complete }] = await Promise.all([workers.ask('flush'), ledger.flush()]);
      if (!complete || answers.some((status) => status !== 'ok'))
        throw new Error('not every worker has written what it recorded');
    },
  };
}

/** About the budget of which the least is left. */
function tell(reply: FastifyReply, exchange: Exchange, states: readonly BudgetState[]): void {
  const tightest = states.reduce((one, other) => (leftOf(other) < leftOf(one) ? other : one));
  reply.header('x-gateway-budget-remaining', usd(leftOf(tightest)));
  const { end } = tightest.period;
  if (end !== null) reply.header('x-gateway-budget-reset', new Date(end).toISOString());
  if (isVain(exchange, Number(reply.getHeader('retry-after')))) reply.header('x-should-retry', 'false');
}

/** Whether to ask again within the minute is vain. OpenAI's own clients would, unless they are told. */
function isVain({ errorCode }: Exchange, retryAfter: number): boolean {
  return errorCode === 'budget_exceeded' && !(retryAfter <= 60);
}

/** Nano-USD; below 0 when a soft budget was passed. */
function leftOf({ budget, spent, reserved }: BudgetState): number {
  return budget.nano - spent - reserved;
}

export default fp(budgetsPlugin, {
  fastify: '5.x',
  name: 'gateway-budgets',
  decorators: { fastify: ['gatewayLedger', 'gatewayKeys'], request: ['exchange'] },
});
