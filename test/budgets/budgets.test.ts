import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Subject } from '../../src/budgets/alert.js';
import { type Budgets, createBudgets } from '../../src/budgets/budgets.js';
import type { Quote } from '../../src/budgets/quote.js';
import type { BudgetConfig } from '../../src/config.js';
import type { Alert } from '../../src/db/alerts.js';
import type { SmallTasks } from '../../src/db/small-tasks.js';
import type { SpentQuery } from '../../src/db/spent.js';
import { beginAttempt, type Exchange, openExchange } from '../../src/exchange.js';
import { healthy } from '../unit/ledger-fixture.js';

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 6, 15, 12);

/** Budgets over records that the test makes up. */
function setUp(budgets: Record<string, BudgetConfig>, records: { sum: number } = { sum: 0 }) {
  const alerts: { threshold: number }[] = [];
  const asked: SpentQuery[] = [];
  const state = { broken: false, at: NOW, alerts, asked, records };
  const budgetOf = (kind: Subject['kind'], name: string) => budgets[`${kind} ${name}`] ?? null;
  async function run<Task extends keyof SmallTasks>(
    _task: Task,
    input: SmallTasks[Task]['input'],
  ): Promise<SmallTasks[Task]['output']> {
    if (state.broken) throw new Error('broken');
    for (const query of input as SpentQuery[]) asked.push(query);
    return [records.sum] as SmallTasks[Task]['output'];
  }
  const created = createBudgets({
    budgetOf,
    subjects: () => Object.keys(budgets).map((id) => subjectOf(id)),
    ledger: { run, flush: async () => {}, health: () => healthy() },
    logger: { warn: () => {} },
    onAlert: ({ body }: Alert) => alerts.push(JSON.parse(body)),
    now: () => state.at,
  });
  return { budgets: created, ...state, state };
}

function subjectOf(id: string): Subject {
  const [kind, name = ''] = id.split(' ');
  return { kind: kind === 'key' ? 'key' : 'route', name };
}

function exchangeOf(fields: Partial<Exchange> = {}): Exchange {
  const opened = openExchange({ method: 'POST', endpoint: '/v1/chat/completions' });
  return { ...opened, startedAt: NOW, key: 'web', ...fields };
}

const costing = (most: number): Quote => ({ most, of: () => ({ whole: most, question: 1 }) });
const hard = (nano: number, per: BudgetConfig['per'] = 'day'): BudgetConfig => ({ nano, per, kind: 'hard' });
const figures = async (budgets: Budgets) =>
  (await budgets.list()).map(({ name, spent, reserved }) => [name, spent, reserved]);

test('what is refused by one budget takes nothing from the other', async () => {
  const { budgets } = setUp({ 'key web': hard(100), 'route fast': hard(10) });
  await assert.rejects(budgets.admit(exchangeOf({ route: 'fast' }), costing(20)), {
    code: 'budget_exceeded',
    statusCode: 429,
  });
  assert.deepEqual(await figures(budgets), [
    ['web', 0, 0],
    ['fast', 0, 0],
  ]);
});

test('an exchange is charged to its key and to its route, to the period in which it began', async () => {
  const { budgets, state } = setUp({ 'key web': hard(100), 'route fast': hard(1000, 'month') });
  const late = exchangeOf({ route: 'fast', startedAt: NOW });
  await budgets.admit(late, costing(30));
  state.at = NOW + DAY_MS;
  late.costNano = 12;
  budgets.settle(late);
  assert.deepEqual(await figures(budgets), [
    ['web', 0, 0],
    ['fast', 12, 0],
  ]);
  state.at = NOW;
  assert.deepEqual((await figures(budgets))[0], ['web', 12, 0]);
});

test('what was spent before is read once for each period, with the moments between which it was', async () => {
  const { budgets, asked, state } = setUp({ 'key web': hard(100) }, { sum: 90 });
  const start = Date.UTC(2026, 6, 15);
  await assert.rejects(budgets.admit(exchangeOf(), costing(11)), /has 0.00000001 USD left/);
  await budgets.admit(exchangeOf(), costing(10));
  assert.deepEqual(asked, [{ kind: 'key', name: 'web', since: start, until: start + DAY_MS }]);
  state.at = NOW + DAY_MS;
  await assert.rejects(budgets.admit(exchangeOf({ startedAt: state.at }), costing(11)));
  assert.equal(asked.length, 2);
});

test('however often others write, the records are read once at a time, and once more at the end', async () => {
  const { budgets, asked, state } = setUp({ 'key web': hard(100), 'key app': hard(100) });
  await budgets.list();
  asked.length = 0;
  const [first, ...more] = Array.from({ length: 10 }, () => budgets.refresh());
  await first;
  state.records.sum = 7;
  await Promise.all(more);
  assert.equal(asked.length, 4);
  assert.deepEqual(await figures(budgets), [
    ['web', 7, 0],
    ['app', 7, 0],
  ]);
});

test('when the records cannot be read a hard budget refuses and a soft one does not', async () => {
  const { budgets, state } = setUp({ 'key web': hard(100), 'key soft': { ...hard(100), kind: 'soft' } });
  state.broken = true;
  await assert.rejects(budgets.admit(exchangeOf(), costing(1)), {
    code: 'gateway_unavailable',
    statusCode: 503,
  });
  await budgets.admit(exchangeOf({ key: 'soft' }), costing(1));
  // In a period that began under its eyes it needs no records.
  await budgets.admit(exchangeOf({ startedAt: NOW + DAY_MS }), costing(1));
});

test('retry-after is the reset when the money is spent, and soon when it is only set aside', async () => {
  const { budgets } = setUp({ 'key web': hard(100) });
  const first = exchangeOf();
  await budgets.admit(first, costing(60));
  await assert.rejects(budgets.admit(exchangeOf(), costing(60)), { retryAfterMs: 1000 });
  first.costNano = 60;
  budgets.settle(first);
  await assert.rejects(budgets.admit(exchangeOf(), costing(60)), { retryAfterMs: DAY_MS / 2 });
});

test('an exchange that is over before its budget could be read sets nothing aside', async () => {
  const { budgets } = setUp({ 'key web': hard(100) });
  const [left, answered] = [exchangeOf(), exchangeOf()];
  const admitted = [left, answered].map((exchange) => budgets.admit(exchange, costing(40)));
  left.cancelled = 'client_gone';
  budgets.settle(left);
  budgets.settle(answered);
  for (const each of admitted) await assert.rejects(each);
  assert.deepEqual(await figures(budgets), [['web', 0, 0]]);
});

test('a missing usage makes no answer free, and the record says that it is assumed', async () => {
  const { budgets } = setUp({ 'key web': hard(100) });
  const answered = exchangeOf({ provider: 'groq', model: 'llama', commitUs: 5, upstreamStatus: 200 });
  await budgets.admit(answered, costing(40));
  const attempt = beginAttempt(answered, 'groq', 'llama');
  budgets.settle(answered);
  assert.deepEqual([answered.costNano, answered.priceSource, attempt.costNano], [40, 'assumed', 40]);

  const left = exchangeOf({ provider: 'groq', model: 'llama', outcome: 'aborted' });
  await budgets.admit(left, costing(40));
  beginAttempt(left, 'groq', 'llama');
  budgets.settle(left);
  assert.deepEqual([left.costNano, left.priceSource], [1, 'assumed']);

  // The head of a stream comes at once, its first word when the model has thought.
  const thinking = exchangeOf({ provider: 'groq', model: 'llama', outcome: 'aborted' });
  await budgets.admit(thinking, costing(40));
  beginAttempt(thinking, 'groq', 'llama').status = 200;
  budgets.settle(thinking);
  assert.deepEqual([thinking.costNano, thinking.priceSource], [1, 'assumed']);

  const pausing = exchangeOf({ provider: 'groq', model: 'llama', outcome: 'aborted' });
  await budgets.admit(pausing, costing(40));
  beginAttempt(pausing, 'groq', 'llama').reason = 'upstream_unreachable';
  budgets.settle(pausing);
  assert.deepEqual([pausing.costNano, pausing.priceSource], [null, null]);

  const failed = exchangeOf({ provider: 'groq', model: 'llama', outcome: 'failed', upstreamStatus: 500 });
  await budgets.admit(failed, costing(40));
  beginAttempt(failed, 'groq', 'llama').status = 500;
  budgets.settle(failed);
  assert.deepEqual([failed.costNano, failed.priceSource], [null, null]);
  assert.deepEqual(await figures(budgets), [['web', 42, 0]]);
});

test('each threshold is told of once, again when the limit changes, and 100 when only crumbs are left', async () => {
  const all = { 'key web': hard(1000) };
  const { budgets, alerts } = setUp(all);
  const spend = async (costNano: number) => {
    const exchange = exchangeOf();
    await budgets.admit(exchange, costing(costNano));
    exchange.costNano = costNano;
    budgets.settle(exchange);
  };
  const told = () => alerts.splice(0).map(({ threshold }) => threshold);
  await spend(499);
  assert.deepEqual(told(), []);
  await spend(1);
  await spend(10);
  assert.deepEqual(told(), [0.5]);
  await spend(470);
  assert.deepEqual(told(), [0.8]);
  await assert.rejects(spend(900));
  assert.deepEqual(told(), [], 'a large request that is refused says little');
  await assert.rejects(spend(30));
  assert.deepEqual(told(), [1]);
  await assert.rejects(spend(30));
  assert.deepEqual(told(), []);
  all['key web'] = hard(2000);
  await spend(30);
  assert.deepEqual(told(), [0.5]);
});

test('no order of admissions and endings takes more than there is, in none of several budgets', async () => {
  const ending = fc.record({ most: fc.nat(30), part: fc.integer({ min: 0, max: 4 }), route: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(ending, { maxLength: 60 }), fc.scheduler(), async (requests, scheduler) => {
      const { budgets } = setUp({ 'key web': hard(100, 'total'), 'route fast': hard(60, 'total') });
      let spent = 0;
      let viaRoute = 0;
      const under = async () => {
        for (const { name, spent: now, reserved } of await budgets.list()) {
          assert.ok(now + reserved <= (name === 'web' ? 100 : 60), `${name}: ${now} + ${reserved}`);
        }
      };
      const served = requests.map(async ({ most, part, route }) => {
        await scheduler.schedule(Promise.resolve());
        const exchange = exchangeOf({ route: route ? 'fast' : null });
        try {
          await budgets.admit(exchange, costing(most));
        } catch {
          return;
        }
        await scheduler.schedule(Promise.resolve());
        const cost = Math.floor((most * part) / 4);
        exchange.costNano = part === 0 ? null : cost;
        budgets.settle(exchange);
        spent += cost;
        if (route) viaRoute += cost;
        await under();
      });
      await scheduler.waitFor(Promise.all(served));
      assert.deepEqual(await figures(budgets), [
        ['web', spent, 0],
        ['fast', viaRoute, 0],
      ]);
    }),
    { numRuns: 50 },
  );
});
