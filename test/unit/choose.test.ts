import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfig } from '../../src/config.js';
import type { Block } from '../../src/routing/availability.js';
import { sessionKey } from '../../src/routing/keys.js';
import { strategyNames } from '../../src/routing/names.js';
import { createRouter } from '../../src/routing/router.js';
import { facts, models, planWith, routerFor, targetOf, usage } from './routing-fixture.js';

const tiered = { small: { tier: 'local' }, plain: {}, large: { tier: 'frontier' } } as const;
const route = { targets: ['lab/small', 'lab/plain', 'lab/large'] };
const limited: Block = { obstacle: 'rate_limited', until: 5000, source: 'retry-after' };

function skips(plan: ReturnType<typeof planWith>): string[] {
  return plan.skips.map(({ target, reason }) => `${target.model} ${reason}`);
}

test('a target that is not available is passed over, with the reason, its end and its source', () => {
  const router = routerFor(tiered, { routes: { r: route } });
  const plan = planWith(router, 'r', facts(), { small: limited });
  assert.deepEqual(models(plan.candidates), ['plain', 'large']);
  assert.deepEqual(
    plan.skips.map(({ target, ...skip }) => ({ model: target.model, ...skip })),
    [{ model: 'small', reason: 'rate_limited', until: 5000, source: 'retry-after' }],
  );
});

test('availability is asked with what the request needs', () => {
  const router = createRouter(
    parseConfig(
      {
        providers: { lab: { type: 'ollama', limits: { tokensPerMinute: 1000 } } },
        routes: { r: { targets: ['lab/a'] } },
      },
      {},
    ),
  );
  const entry = router.resolve('r', null);
  const ask = (most: number) => router.plan(entry, facts('Hi', { body: { max_tokens: most } }), 0);
  assert.deepEqual(skips(ask(900)), []);
  assert.deepEqual(skips(ask(1100)), ['a limit_too_small']);
});

test('a tier without a usable target gives way to a higher one, never to a lower', () => {
  const router = routerFor(tiered, { routes: { r: { ...route, strategy: 'complexity' } } });
  const up = planWith(router, 'r', facts('Hello'), { small: limited });
  assert.deepEqual(models(up.candidates), ['plain', 'large']);
  assert.equal(up.tier, 'local');
  const hard = facts('Prove the theorem, analyze the trade-offs, compare. '.repeat(100));
  const none = planWith(router, 'r', hard, { large: limited });
  assert.deepEqual(models(none.candidates), []);
  assert.deepEqual(skips(none), ['small tier_too_low', 'plain tier_too_low', 'large rate_limited']);
});

test('the highest tier there is stands in for one that is not there', () => {
  const router = routerFor(
    { small: { tier: 'local' }, plain: {} },
    {
      routes: { r: { strategy: 'complexity', targets: ['lab/small', 'lab/plain'] } },
    },
  );
  const hard = facts('Prove the theorem, analyze the trade-offs, compare. '.repeat(100));
  const plan = planWith(router, 'r', hard, {});
  assert.deepEqual([models(plan.candidates), plan.tier], [['plain'], 'standard']);
});

test('a policy sets the tier to start at, whatever the strategy', () => {
  const router = routerFor(tiered, { routes: { r: route } });
  const policies = { up: { tier: 'standard' } } as const;
  const plan = planWith(router, 'r', facts('Hello', { policy: 'up' }), {}, { policies });
  assert.deepEqual([models(plan.candidates), plan.tier, plan.policy], [['plain', 'large'], 'standard', 'up']);
  assert.deepEqual(skips(plan), ['small tier_too_low']);
  assert.equal(plan.score, null);
});

test('a policy sets the strategy', () => {
  const router = routerFor(tiered, { routes: { r: route } });
  const policies = { own: { strategy: 'round-robin' } } as const;
  const request = facts('Hello', { policy: 'own' });
  assert.equal(planWith(router, 'r', request, {}, { policies }).strategy, 'round-robin');
  assert.equal(planWith(router, 'r', facts(), {}, { policies }).strategy, 'priority');
});

test('what surely does not fit is passed over, and what perhaps does not comes last', () => {
  const router = routerFor(
    { tiny: { context: 100 }, near: { context: 1100 }, large: { context: 100_000 }, unknown: {} },
    { routes: { r: { targets: ['lab/tiny', 'lab/near', 'lab/large', 'lab/unknown'] } } },
  );
  const text = 'four'.repeat(1000);
  const plan = planWith(router, 'r', facts(text), {});
  assert.deepEqual(models(plan.candidates), ['near', 'large', 'unknown']);
  assert.deepEqual(skips(plan), ['tiny context_too_small']);
  const longAnswer = planWith(router, 'r', facts(text, { body: { max_tokens: 500 } }), {});
  assert.deepEqual(models(longAnswer.candidates), ['large', 'unknown', 'near']);
  assert.deepEqual(skips(longAnswer), ['tiny context_too_small']);
});

test('a context in between is not surely too small: the estimate has room for error', () => {
  const router = routerFor({ near: { context: 850 } }, { routes: { r: { targets: ['lab/near'] } } });
  assert.deepEqual(models(planWith(router, 'r', facts('four'.repeat(1000)), {}).candidates), ['near']);
  assert.deepEqual(models(planWith(router, 'r', facts('four'.repeat(1200)), {}).candidates), []);
});

test('a sticky session stays where it was answered, while that is usable', () => {
  const router = routerFor(tiered, { routes: { r: { ...route, sticky: true }, loose: route } });
  const entry = router.resolve('r', null);
  const mine = facts('Hello', { caller: 'web', session: 's' });
  router.observe.answered({ entry, facts: mine, target: targetOf(entry, 'large') }, usage(1, 1));
  const first = (request: typeof mine, blocks: Record<string, Block> = {}, name = 'r') =>
    planWith(router, name, request, blocks).candidates[0]?.model;
  assert.equal(first(mine), 'large');
  assert.equal(first(mine, { large: limited }), 'small');
  assert.equal(first(facts('Hello', { caller: 'ops', session: 's' })), 'small', 'a session of somebody else');
  assert.equal(first(facts('Hello', { caller: 'web', session: 't' })), 'small');
  assert.equal(first(facts('Hello', { caller: 'web' })), 'small');
  const loose = router.resolve('loose', null);
  router.observe.answered({ entry: loose, facts: mine, target: targetOf(loose, 'large') }, usage(1, 1));
  assert.equal(first(mine, {}, 'loose'), 'small');
  assert.equal(router.learned.sessions.get(sessionKey(loose, mine) ?? ''), undefined);
});

test('a sticky session never goes down a tier, and stays up', () => {
  const router = routerFor(tiered, { routes: { r: { ...route, strategy: 'complexity', sticky: true } } });
  const entry = router.resolve('r', null);
  const hard = 'Prove the theorem, analyze the trade-offs, compare. '.repeat(100);
  const told = (model: string) =>
    router.observe.answered(
      { entry, facts: facts('', { session: 's' }), target: targetOf(entry, model) },
      usage(1, 1),
    );
  told('small');
  assert.equal(planWith(router, 'r', facts(hard, { session: 's' }), {}).candidates[0]?.model, 'large');
  told('large');
  assert.equal(planWith(router, 'r', facts('Hello', { session: 's' }), {}).candidates[0]?.model, 'large');
});

test('choosing loses no target, changes nothing, and comes out the same again', () => {
  const reasons = fc.constantFrom(null, null, limited);
  fc.assert(
    fc.property(
      fc.constantFrom(...strategyNames),
      fc.record({ small: reasons, plain: reasons, large: reasons }),
      fc.string({ maxLength: 200 }),
      fc.boolean(),
      (strategy, blocks, text, sticky) => {
        const router = routerFor(tiered, { routes: { r: { ...route, strategy, sticky } } });
        const request = facts(text, { session: 's' });
        const present = Object.fromEntries(
          Object.entries(blocks).filter((block): block is [string, Block] => block[1] !== null),
        );
        const plan = planWith(router, 'r', request, present);
        const named = [...models(plan.candidates), ...models(plan.skips.map(({ target }) => target))];
        assert.deepEqual(named.sort(), ['large', 'plain', 'small']);
        assert.deepEqual(planWith(router, 'r', request, present), plan);
        for (const model of Object.keys(present)) assert.ok(!models(plan.candidates).includes(model));
      },
    ),
    { numRuns: 200 },
  );
});
