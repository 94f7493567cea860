import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLAIN_RULES } from '../../src/db/payloads.js';
import { createStore } from '../../src/db/store.js';
import { createWatch } from '../../src/db/watch.js';
import { settled, temporaryLedger, temporaryPath, until } from './ledger-fixture.js';

/** Lets what was started by a timer come to its end. */
const turns = async () => {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
};

test('listeners hear of changes, and of nothing when the database cannot be read', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let answer: string | null = 'a';
  let heard = 0;
  const watch = createWatch(async () => {
    if (answer === null) throw new Error('broken');
    return answer;
  });
  const step = async (next: string | null) => {
    answer = next;
    t.mock.timers.tick(2000);
    await turns();
    return heard;
  };
  const stop = watch.subscribe(() => {
    heard += 1;
  });
  await turns();
  assert.equal(await step('a'), 0);
  assert.equal(await step('b'), 1);
  assert.equal(await step(null), 1);
  assert.equal(await step('b'), 1);
  assert.equal(await step('c'), 2);
  stop();
  assert.equal(await step('d'), 2);
});

test('what another connection writes is a change, and what this one writes is not', async (t) => {
  const path = temporaryPath();
  const stores = [0, 1].map(() =>
    createStore({ path, role: 'write', synchronous: 'normal', payloads: PLAIN_RULES }),
  );
  t.after(async () => {
    for (const store of stores) await store.close(null);
  });
  const [own, other] = stores;
  await own?.keys(null);
  const before = await own?.changes(null);
  await own?.alerts({ kind: 'raise', alert: { id: 'a', body: '{}' } });
  assert.equal(await own?.changes(null), before);
  await other?.alerts({ kind: 'raise', alert: { id: 'b', body: '{}' } });
  assert.notEqual(await own?.changes(null), before);
});

test('a ledger tells when another one writes to its database', async (t) => {
  const path = temporaryPath();
  const own = temporaryLedger(t, { path });
  const other = temporaryLedger(t, { path });
  let heard = 0;
  const stop = own.watch(() => {
    heard += 1;
  });
  await own.run('keys', null);
  other.record(settled());
  await other.flush();
  await until(() => heard > 0);
  stop();
});
