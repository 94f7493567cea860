import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createQueue } from '../../src/routing/queue.js';
import { createScenario, settled } from './queue-fixture.js';

const roomy = { maxSize: 100, maxWaitMs: 30_000, refills: [] };

function outcomes(scenario: ReturnType<typeof createScenario>) {
  return scenario.requests.map(({ result }) => result?.outcome ?? 'waits');
}

test('a request that can be served does not wait', async () => {
  const scenario = createScenario(roomy);
  scenario.release(1);
  const { ticket } = scenario.enter(1);
  assert.deepEqual([scenario.queue.size, scenario.clock.timers], [0, 0]);
  assert.deepEqual(await ticket.result, { outcome: 'served', value: 0, waitedMs: 0 });
});

test('a request waits for the deadline that is known, and is then served', async () => {
  const scenario = createScenario({ ...roomy, refills: [4_000] });
  const { ticket } = scenario.enter(1);
  await scenario.clock.advance(3_999);
  assert.deepEqual([outcomes(scenario), scenario.queue.size], [['waits'], 1]);
  await scenario.clock.advance(1);
  assert.deepEqual(await ticket.result, { outcome: 'served', value: 0, waitedMs: 4_000 });
  assert.deepEqual([scenario.queue.size, scenario.clock.timers], [0, 0]);
});

test('fifty wait, capacity for ten comes: the first ten go, and the eleventh keeps its place', async () => {
  const scenario = createScenario(roomy);
  for (let i = 0; i < 50; i++) scenario.enter(1);
  scenario.release(10);
  await settled();
  const served = scenario.requests.filter(({ result }) => result?.outcome === 'served').map(({ id }) => id);
  assert.deepEqual(served, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual([scenario.queue.size, scenario.clock.timers], [40, 1]);
  assert.equal(scenario.turns.at(-1)?.id, 10);
  scenario.release(1);
  await settled();
  assert.equal(scenario.requests[10]?.result?.outcome, 'served');
});

test('the first in line is not overtaken by one that needs less', async () => {
  const scenario = createScenario({ ...roomy, refills: [1_000, 2_000] });
  scenario.enter(2);
  scenario.enter(1);
  await scenario.clock.advance(1_000);
  assert.deepEqual([outcomes(scenario), scenario.free()], [['waits', 'waits'], 1]);
  await scenario.clock.advance(1_000);
  assert.deepEqual(outcomes(scenario), ['served', 'waits']);
});

test('a request that comes while others wait goes to the end, even if it could be served', async () => {
  const scenario = createScenario({ ...roomy, refills: [1_000, 2_000] });
  scenario.enter(2);
  await scenario.clock.advance(1_500);
  scenario.enter(1);
  await settled();
  assert.deepEqual([outcomes(scenario), scenario.free()], [['waits', 'waits'], 1]);
});

test('nobody is stuck when what blocked the first in line is gone and nothing said so', async () => {
  let free = 0;
  const queue = createQueue({ maxSize: 1, maxWaitMs: 30_000 });
  const take = () => (free > 0 ? { value: free-- } : { retryAt: null });
  const first = queue.enter(take);
  free = 2;
  const second = queue.enter(take);
  assert.equal((await first.result).outcome, 'served');
  assert.equal((await second.result).outcome, 'served');
});

test('when as many wait as may, the next is turned away and told when to come back', async () => {
  const scenario = createScenario({ maxSize: 2, maxWaitMs: 30_000, refills: [9_000] });
  scenario.enter(1);
  scenario.enter(1);
  await scenario.clock.advance(1_000);
  const { ticket } = scenario.enter(1);
  assert.deepEqual(await ticket.result, { outcome: 'full', retryAt: 9_000, waitedMs: 0 });
  assert.equal(scenario.queue.size, 2);
  assert.deepEqual(new Set(scenario.turns.map(({ id }) => id)), new Set([0]));
});

test('where nobody may wait, a request is served at once or turned away', async () => {
  const scenario = createScenario({ maxSize: 0, maxWaitMs: 30_000, refills: [9_000] });
  const refused = scenario.enter(1);
  assert.deepEqual(await refused.ticket.result, { outcome: 'full', retryAt: 9_000, waitedMs: 0 });
  scenario.release(1);
  assert.equal((await scenario.enter(1).ticket.result).outcome, 'served');
  assert.deepEqual([scenario.queue.size, scenario.clock.timers], [0, 0]);
});

test('a deadline beyond the longest wait is not waited for', async () => {
  const scenario = createScenario({ ...roomy, refills: [30_001] });
  const { ticket } = scenario.enter(1);
  assert.deepEqual(await ticket.result, { outcome: 'too_long', retryAt: 30_001, waitedMs: 0 });
  assert.equal(scenario.clock.timers, 0);
});

test('a deadline that moves away while a request waits is given up as soon as that is known', async () => {
  const scenario = createScenario({ ...roomy, refills: [10_000, 60_000] });
  scenario.enter(2);
  await scenario.clock.advance(10_000);
  await settled();
  assert.deepEqual(scenario.requests[0]?.result, { outcome: 'too_long', retryAt: 60_000, waitedMs: 10_000 });
});

test('a request without a known deadline waits for a poke, but not for ever', async () => {
  const scenario = createScenario(roomy);
  scenario.enter(1);
  scenario.enter(1);
  await scenario.clock.advance(10_000);
  scenario.release(1);
  await settled();
  assert.deepEqual(outcomes(scenario), ['served', 'waits']);
  await scenario.clock.advance(20_000);
  assert.deepEqual(scenario.requests[1]?.result, { outcome: 'timeout', retryAt: null, waitedMs: 30_000 });
  assert.equal(scenario.clock.timers, 0);
});

test('a deadline at the very end of the patience is still served', async () => {
  const scenario = createScenario({ ...roomy, refills: [30_000] });
  const { ticket } = scenario.enter(1);
  await scenario.clock.advance(30_000);
  assert.equal((await ticket.result).outcome, 'served');
});

test('what was waited before counts, also behind somebody with more patience', async () => {
  const scenario = createScenario({ ...roomy, refills: [25_000] });
  scenario.enter(1);
  scenario.enter(1, 29_000);
  await scenario.clock.advance(999);
  assert.deepEqual(outcomes(scenario), ['waits', 'waits']);
  await scenario.clock.advance(1);
  assert.deepEqual(scenario.requests[1]?.result, { outcome: 'timeout', retryAt: 25_000, waitedMs: 1_000 });
  assert.deepEqual([outcomes(scenario)[0], scenario.clock.timers], ['waits', 1]);
});

test('when the first in line gives up, the next is tried at once', async () => {
  const scenario = createScenario({ ...roomy, maxWaitMs: 5_000 });
  scenario.enter(9);
  await scenario.clock.advance(1_000);
  scenario.enter(1);
  await scenario.clock.advance(1_000);
  scenario.release(1);
  await scenario.clock.advance(3_000);
  assert.deepEqual(outcomes(scenario), ['timeout', 'served']);
  assert.equal(scenario.requests[1]?.result?.waitedMs, 4_000);
});

test('a client that leaves takes only its own place along', async () => {
  const scenario = createScenario(roomy);
  for (let i = 0; i < 3; i++) scenario.enter(1);
  scenario.requests[1]?.ticket.cancel();
  await settled();
  assert.deepEqual(outcomes(scenario), ['waits', 'cancelled', 'waits']);
  scenario.release(2);
  await settled();
  assert.deepEqual(outcomes(scenario), ['served', 'cancelled', 'served']);
  scenario.requests[1]?.ticket.cancel();
  scenario.requests[2]?.ticket.cancel();
  await settled();
  assert.deepEqual(outcomes(scenario), ['served', 'cancelled', 'served']);
});

test('when the first in line leaves, the next is tried at once', async () => {
  const scenario = createScenario({ ...roomy, refills: [0, 1_000] });
  scenario.enter(2);
  scenario.enter(1);
  scenario.requests[0]?.ticket.cancel();
  await settled();
  assert.deepEqual(outcomes(scenario), ['cancelled', 'served']);
  assert.equal(scenario.clock.timers, 0);
});

test('one that is cancelled during its own turn is told what it reserved, and its neighbour stays', async () => {
  const scenario = createScenario(roomy);
  let free = 0;
  const { queue } = scenario;
  const ticket = queue.enter(() => {
    if (free === 0) return { retryAt: null };
    ticket.cancel();
    return { value: 'permit' };
  });
  scenario.enter(1);
  free = 1;
  queue.poke();
  assert.deepEqual(await ticket.result, { outcome: 'served', value: 'permit', waitedMs: 0 });
  assert.deepEqual([outcomes(scenario), queue.size], [['waits'], 1]);
});

test('one that is cancelled during its own turn without success leaves, and the next is tried', async () => {
  const { queue, clock } = createScenario(roomy);
  let turns = 0;
  const first = queue.enter(() => {
    turns += 1;
    if (turns === 2) first.cancel();
    return { retryAt: null };
  });
  const second = queue.enter(() => (turns === 2 ? { value: 'second' } : { retryAt: null }));
  queue.poke();
  assert.equal((await first.result).outcome, 'cancelled');
  assert.equal((await second.result).outcome, 'served');
  assert.deepEqual([turns, queue.size, clock.timers], [2, 0, 0]);
});

test('a turn that pokes the queue is not tried again because of that', async () => {
  const { queue } = createScenario(roomy);
  let turns = 0;
  queue.enter(() => {
    turns += 1;
    queue.poke();
    return { retryAt: null };
  });
  assert.equal(turns, 1);
});

test('a request that enters during a turn waits for its own', async () => {
  const { queue } = createScenario(roomy);
  const order: string[] = [];
  let inner: Promise<unknown> | null = null;
  const outer = queue.enter(() => {
    inner = queue.enter(() => {
      order.push('inner');
      return { value: 2 };
    }).result;
    order.push('outer');
    return { value: 1 };
  });
  await outer.result;
  await inner;
  assert.deepEqual([order, queue.size], [['outer', 'inner'], 0]);
});

test('what a turn throws reaches its own request, and the line goes on', async () => {
  const { queue, clock } = createScenario(roomy);
  let ready = false;
  const broken = queue.enter(() => {
    if (ready) throw new Error('broken');
    return { retryAt: null };
  });
  const next = queue.enter(() => (ready ? { value: 7 } : { retryAt: null }));
  ready = true;
  queue.poke();
  await assert.rejects(broken.result, /broken/);
  assert.equal((await next.result).outcome, 'served');
  assert.deepEqual([queue.size, clock.timers], [0, 0]);
});

test('closing sends everybody away, and whoever comes later', async () => {
  const scenario = createScenario(roomy);
  scenario.enter(1);
  scenario.enter(1);
  scenario.queue.close();
  assert.deepEqual([scenario.queue.size, scenario.clock.timers], [0, 0]);
  const turns = scenario.turns.length;
  scenario.release(5);
  scenario.enter(1);
  await settled();
  assert.deepEqual(outcomes(scenario), ['closed', 'closed', 'closed']);
  assert.equal(scenario.turns.length, turns);
});

test('closing during a turn sends everybody away but the one that has just reserved', async () => {
  for (const reserves of [true, false]) {
    const { queue, clock } = createScenario(roomy);
    let closing = false;
    const first = queue.enter(() => {
      if (closing) queue.close();
      return closing && reserves ? { value: 1 } : { retryAt: null };
    });
    const second = queue.enter(() => ({ value: 2 }));
    closing = true;
    queue.poke();
    assert.equal((await first.result).outcome, reserves ? 'served' : 'closed');
    assert.equal((await second.result).outcome, 'closed');
    assert.deepEqual([queue.size, clock.timers], [0, 0]);
  }
});

test('a deadline that is over is not told to those who come later', async () => {
  const scenario = createScenario({ ...roomy, refills: [1_000] });
  scenario.enter(1);
  await scenario.clock.advance(1_000);
  scenario.queue.close();
  assert.deepEqual(await scenario.enter(1).ticket.result, { outcome: 'closed', retryAt: null, waitedMs: 0 });
});

test('whoever comes after the deadline finds the place of the first in line free, even if the timer is late', async () => {
  const scenario = createScenario({ maxSize: 1, maxWaitMs: 30_000, refills: [1_000] });
  scenario.enter(1);
  scenario.clock.jump(1_001);
  scenario.enter(1);
  await settled();
  assert.deepEqual(outcomes(scenario), ['served', 'waits']);
});

test('one that has no patience left is not put in line', async () => {
  const scenario = createScenario(roomy);
  scenario.enter(1);
  const { ticket } = scenario.enter(1, 30_000);
  assert.equal(scenario.queue.size, 1);
  assert.deepEqual(await ticket.result, { outcome: 'timeout', retryAt: null, waitedMs: 0 });
});

test('a deadline that is farther away than a timer can be does not fire at once', async () => {
  const { clock, queue, turns, enter } = createScenario({
    maxSize: 1,
    maxWaitMs: Number.MAX_SAFE_INTEGER,
    refills: [2 ** 33],
  });
  enter(1);
  await clock.advance(2 ** 32);
  assert.deepEqual([queue.size, clock.timers], [1, 1]);
  assert.ok(turns.length <= 4, `${turns.length} turns`);
  await clock.advance(2 ** 32);
  assert.equal(queue.size, 0);
});

test('with the clock and the timers of the platform a request is served after its deadline', async () => {
  const queue = createQueue({ maxSize: 1, maxWaitMs: 5_000 });
  const deadline = Date.now() + 30;
  const ticket = queue.enter(() => (Date.now() >= deadline ? { value: Date.now() } : { retryAt: deadline }));
  const result = await ticket.result;
  assert.ok(result.outcome === 'served' && result.value >= deadline);
  assert.equal(queue.size, 0);
});
