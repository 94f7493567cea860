import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseConfig } from '../../src/config.js';
import { type Availability, createAvailability } from '../../src/routing/availability.js';
import { named, permitFor } from '../unit/availability-fixture.js';
import { shareFiles } from './fixture.js';

const START = 2_000_000_000_000;

/** A turn of the event loop: what was looked at is looked at again. */
const turn = () => Promise.resolve();

const breaking = parseConfig(
  {
    providers: {
      lab: { type: 'ollama', models: { a: {} }, breaker: { failures: 3, window: '30s', open: '5s' } },
    },
  },
  {},
);

function stores(context: TestContext): Availability[] {
  const { worker } = shareFiles(context);
  return [1, 2].map((id) => createAvailability(breaking, worker(id, 'availability')));
}

function blockOf(store: Availability | undefined) {
  return store?.check(named('lab/a'), START, { tokens: 0, endpoint: 'chat' });
}

function quota(remaining: number, now: number) {
  const resetAt = now + 3_600_000;
  return { resource: 'requests' as const, windowMs: 60_000, limit: 12, remaining, resetAt, source: 'header' };
}

function end(store: Availability | undefined, result: 'success' | 'failure'): void {
  assert.ok(store);
  const permit = permitFor(store, 'lab/a', START);
  permit.sent(START);
  permit.settle(START, { result, tokens: null });
}

test('failures in a row are counted over all workers, and a success anywhere ends the row', async (context) => {
  const [one, two] = stores(context);
  for (const [store, result] of [
    [one, 'failure'],
    [two, 'failure'],
    [one, 'success'],
    [two, 'failure'],
    [one, 'failure'],
  ] as const) {
    await turn();
    end(store, result);
    await turn();
    assert.equal(blockOf(one), null);
  }
  end(two, 'failure');
  await turn();
  assert.deepEqual(blockOf(one), { obstacle: 'breaker_open', until: START + 5000, source: 'breaker' });
});

for (const before of [0, 1]) {
  test(`successes of one worker count against the failures of another, after ${before} successes there`, async (context) => {
    const [one, two] = stores(context);
    for (let times = 0; times < 10; times += 1) end(two, 'success');
    // Three of six would open it, three of sixteen do not.
    for (const result of [...Array(before).fill('success'), 'failure', 'success'] as const) end(one, result);
    await turn();
    end(two, 'success');
    for (const result of ['failure', 'success', 'failure'] as const) {
      await turn();
      end(one, result);
    }
    assert.equal(blockOf(one), null);
  });
}

test('a success ends a row of failures that began after its request', async (context) => {
  const [one, two] = stores(context);
  assert.ok(one);
  const permit = permitFor(one, 'lab/a', START);
  permit.sent(START);
  end(two, 'failure');
  end(two, 'failure');
  await turn();
  permit.settle(START, { result: 'success', tokens: null });
  await turn();
  end(two, 'failure');
  assert.equal(blockOf(two), null);
});

test('what is under way is forgotten when it ends, also when it did not matter any more', async (context) => {
  const [one, two] = stores(context);
  assert.ok(one && two);
  const learn = (store: Availability, remaining: number) => {
    const permit = permitFor(store, 'lab/a', START);
    permit.sent(START);
    permit.learn([{ ...quota(remaining, START), limit: 10_000 }], 'target');
    permit.settle(START, { result: 'success', tokens: null });
  };
  learn(one, 5);
  await turn();
  const permit = permitFor(two, 'lab/a', START);
  permit.sent(START);
  await turn();
  learn(one, 9999);
  await turn();
  assert.equal(two.check(named('lab/a'), START, { tokens: 0, endpoint: 'chat' }), null);
  permit.settle(START, { result: 'success', tokens: null });
  learn(one, 1);
  await turn();
  end(one, 'success');
  await turn();
  // One is left, and one was sent since: with nothing under way, the provider is to say what that means.
  assert.equal(blockOf(one), null);
  permitFor(two, 'lab/a', START);
  await turn();
  assert.equal(blockOf(one)?.obstacle, 'quota_exhausted');
});

test('a provider without limits that fails nobody costs no write', async (context) => {
  const { worker } = shareFiles(context);
  const sharing = worker(1, 'availability');
  let updates = 0;
  const counting: typeof sharing = {
    ...sharing,
    join(name, subject) {
      const shared = sharing.join(name, subject);
      return {
        ...shared,
        update(act) {
          updates += 1;
          return shared.update(act);
        },
      };
    },
  };
  const store = createAvailability(breaking, counting);
  for (let times = 0; times < 10; times += 1) {
    end(store, 'success');
    await turn();
  }
  assert.equal(updates, 0);
  end(store, 'failure');
  assert.equal(updates, 1);
});
