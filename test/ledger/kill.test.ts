import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Durability } from '../../src/db/schedule.js';
import { temporaryPath } from '../unit/ledger-fixture.js';
import { hammer, type Received, startChild } from './child.js';
import { inspect } from './inspect.js';

const ROUNDS = 2;
const ANSWERS = 400;

/** What clients had received when the gateway was killed, and when that was. */
async function killedUnderLoad(t: TestContext, path: string, durability: Durability) {
  const child = await startChild(path, durability);
  t.after(() => child.process.kill('SIGKILL'));
  const received: Received[] = [];
  let killedAt = 0;
  await hammer(child.url, {
    connections: 16,
    onAnswer(answer) {
      received.push(answer);
      if (received.length !== ANSWERS) return;
      killedAt = Date.now();
      child.process.kill('SIGKILL');
    },
  });
  return { received, killedAt };
}

test('under strict durability no answer that a client received whole is missing after a kill', async (t) => {
  const path = temporaryPath();
  const received: Received[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    received.push(...(await killedUnderLoad(t, path, 'strict')).received);
    const { stored, openMs } = await inspect(path);
    assert.ok(openMs < 5000, `opening took ${openMs} ms`);
    const missing = received.filter(({ id }) => !stored.has(id));
    assert.deepEqual(missing, []);
  }
  assert.ok(received.length >= ROUNDS * ANSWERS);
  assert.ok(received.every(({ status }) => status === 200));
});

test('under relaxed durability a kill costs no more than what was answered just before', async (t) => {
  const path = temporaryPath();
  for (let round = 0; round < ROUNDS; round += 1) {
    const { received, killedAt } = await killedUnderLoad(t, path, 'relaxed');
    const { stored } = await inspect(path);
    const missing = received.filter(({ id }) => !stored.has(id));
    // Promised are 50 ms; a machine that runs other tests too may take longer to get to the commit.
    const oldest = Math.max(0, ...missing.map(({ at }) => killedAt - at));
    assert.ok(oldest < 500, `an answer of ${oldest} ms before the kill is missing`);
    assert.ok(missing.length < received.length, 'nothing was kept');
  }
});
