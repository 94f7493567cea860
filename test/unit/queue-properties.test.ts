import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createScenario, settled } from './queue-fixture.js';

type Scenario = ReturnType<typeof createScenario>;

type Step =
  | { kind: 'enter'; need: number; waitedMs: number }
  | { kind: 'advance'; ms: number }
  | { kind: 'release'; amount: number }
  | { kind: 'cancel'; index: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('enter' as const),
      need: fc.integer({ min: 1, max: 3 }),
      waitedMs: fc.constantFrom(0, 0, 0, 40, 200),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 60 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('release' as const), amount: fc.integer({ min: 0, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), index: fc.nat({ max: 40 }) }) },
);

const setting = fc.record({
  maxSize: fc.integer({ min: 0, max: 6 }),
  maxWaitMs: fc.integer({ min: 1, max: 120 }),
  refills: fc
    .array(fc.integer({ min: 0, max: 400 }), { maxLength: 20 })
    .map((at) => at.sort((a, b) => a - b)),
});

async function take(scenario: Scenario, { maxSize }: { maxSize: number }, next: Step): Promise<void> {
  const { clock, queue, requests } = scenario;
  if (next.kind === 'advance') await clock.advance(next.ms);
  if (next.kind === 'release') scenario.release(next.amount);
  if (next.kind === 'enter') {
    const before = queue.size;
    const request = scenario.enter(next.need, next.waitedMs);
    await settled();
    if (request.result?.outcome === 'full') assert.ok(maxSize === 0 || before === maxSize);
  }
  if (next.kind === 'cancel') {
    const request = requests[next.index];
    const waits = request !== undefined && request.result === null;
    if (request !== undefined) request.left = true;
    request?.ticket.cancel();
    await settled();
    if (waits) assert.equal(request.result?.outcome, 'cancelled');
  }
  await settled();
}

/** What holds whenever nothing is going on. */
function checkAtRest(scenario: Scenario, { maxSize }: { maxSize: number }): void {
  const { queue, clock, requests } = scenario;
  const waiting = requests.filter(({ result }) => result === null);
  assert.equal(queue.size, waiting.length, 'the queue holds exactly those without a result');
  assert.ok(queue.size <= maxSize, 'bounded');
  assert.equal(clock.timers, queue.size === 0 ? 0 : 1, 'one timer while somebody waits');
  const [head] = waiting;
  if (head !== undefined) assert.ok(head.need > scenario.free(), 'the first in line cannot be served now');
}

/** What holds for the whole story. */
function checkStory({ turns, requests }: Scenario, { maxWaitMs }: { maxWaitMs: number }): void {
  const tried = turns.map(({ id }) => id);
  const sorted = [...tried].sort((a, b) => a - b);
  assert.deepEqual(tried, sorted, 'once somebody is tried, nobody before is tried again');
  for (const { id, left, result } of requests) {
    const own = turns.filter((turn) => turn.id === id);
    const served = own.filter((turn) => turn.served).length;
    assert.equal(served, result?.outcome === 'served' ? 1 : 0, 'run once if served, and never otherwise');
    assert.equal(
      own.findIndex((turn) => turn.served),
      served === 0 ? -1 : own.length - 1,
      'not tried after that',
    );
    if (result === null) assert.fail(`${id} was lost`);
    assert.ok(result.waitedMs <= maxWaitMs, 'nobody waits longer than allowed');
    if (result.outcome === 'cancelled') assert.ok(left, 'nobody else is sent away by a client that leaves');
    if (result.outcome === 'too_long') assert.ok(result.retryAt !== null, 'only a known deadline is too far');
  }
}

test('under any order of arrivals, departures, deadlines and pokes: first come, first served, once, bounded, none lost', async () => {
  await fc.assert(
    fc.asyncProperty(setting, fc.array(step, { maxLength: 40 }), async (options, steps) => {
      const scenario = createScenario(options);
      for (const next of steps) {
        await take(scenario, options, next);
        checkAtRest(scenario, options);
      }
      await scenario.clock.advance(options.maxWaitMs);
      checkAtRest(scenario, options);
      checkStory(scenario, options);
      assert.equal(scenario.queue.size, 0, 'everybody has an answer once the longest wait is over');
    }),
    { numRuns: 300 },
  );
});

test('a request that comes and leaves changes nothing for anybody else', async () => {
  const story = async (
    options: Parameters<typeof createScenario>[0],
    steps: Step[],
    visitorAfter: number,
  ) => {
    const scenario = createScenario(options);
    for (const [index, next] of steps.entries()) {
      await take(scenario, options, next);
      if (index === visitorAfter) scenario.passThrough();
    }
    await scenario.clock.advance(options.maxWaitMs);
    return scenario.requests.map(({ id, result }) => ({ id, result }));
  };
  await fc.assert(
    fc.asyncProperty(
      setting,
      fc.array(step, { minLength: 1, maxLength: 25 }),
      fc.nat(),
      async (options, steps, at) => {
        const without = await story(options, steps, -1);
        assert.deepEqual(await story(options, steps, at % steps.length), without);
      },
    ),
    { numRuns: 200 },
  );
});

test('closing at any moment leaves nobody without an answer, no timer, and nothing to be tried', async () => {
  await fc.assert(
    fc.asyncProperty(setting, fc.array(step, { maxLength: 25 }), async (options, steps) => {
      const scenario = createScenario(options);
      for (const next of steps) await take(scenario, options, next);
      const turns = scenario.turns.length;
      scenario.queue.close();
      scenario.release(100);
      await scenario.clock.advance(1_000);
      await settled();
      assert.deepEqual([scenario.queue.size, scenario.clock.timers, scenario.turns.length], [0, 0, turns]);
      assert.ok(scenario.requests.every(({ result }) => result !== null));
    }),
    { numRuns: 100 },
  );
});
