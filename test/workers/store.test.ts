// own process: it starts others
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Shared, Sharing } from '../../src/workers/sharing.js';
import { createSharedFiles } from '../../src/workers/store.js';
import { temporaryFolder } from '../helpers/gateway.js';
import { shareFiles } from './fixture.js';

interface Count {
  shared: Shared;
  count: number;
  mine: number;
  others: number;
}

/** A number that all count up, and a number of things that each holds. */
function join(sharing: Sharing, name = 'n'): Count {
  const subject = { count: 0, mine: 0, others: 0 };
  const shared = sharing.join(name, {
    save: () => ({ count: subject.count }),
    load(state: { count: number }, [others = 0]) {
      subject.count = state.count;
      subject.others = others;
    },
    held: () => [subject.mine],
  });
  return Object.assign(subject, { shared });
}

const countUp = (each: Count) =>
  each.shared.update(() => {
    each.count += 1;
  });

/** A turn of the event loop: what was looked at is looked at again. */
const turn = () => Promise.resolve();

test('what one worker has changed the other changes further', async (context) => {
  const { worker, failures } = shareFiles(context);
  const [one, two] = [join(worker(1, 'limits')), join(worker(2, 'limits'))];
  for (let times = 0; times < 5; times += 1) {
    countUp(one);
    countUp(two);
  }
  assert.equal(two.count, 10);
  assert.equal(one.count, 9, 'it has not looked since');
  one.shared.refresh();
  assert.equal(one.count, 10);
  countUp(two);
  one.shared.refresh();
  assert.equal(one.count, 10, 'once in a turn');
  await turn();
  one.shared.refresh();
  assert.equal(one.count, 11);
  assert.deepEqual(failures, []);
});

test('names and areas are apart', (context) => {
  const { worker } = shareFiles(context);
  const limits = worker(1, 'limits');
  const [one, other, elsewhere] = [join(limits, 'a'), join(limits, 'b'), join(worker(1, 'budgets'), 'a')];
  countUp(one);
  for (const each of [other, elsewhere]) each.shared.refresh();
  assert.deepEqual([one.count, other.count, elsewhere.count], [1, 0, 0]);
});

test('several subjects change in one step, which is written once', (context) => {
  const { worker } = shareFiles(context);
  const [first, second] = [worker(1, 'limits'), worker(2, 'limits')];
  const [a, b] = [join(first, 'a'), join(first, 'b')];
  const [seenA, seenB] = [join(second, 'a'), join(second, 'b')];
  const result = a.shared.update(() => {
    a.count = 5;
    return b.shared.update(() => {
      b.count = 7;
      return 'done';
    });
  });
  assert.equal(result, 'done');
  for (const each of [seenA, seenB]) each.shared.refresh();
  assert.deepEqual([seenA.count, seenB.count], [5, 7]);
});

test('what a worker holds is told to the others, and given back when it is gone', async (context) => {
  const { worker, files } = shareFiles(context);
  const [one, two, three] = [1, 2, 3].map((id) => join(worker(id, 'limits')));
  assert.ok(one && two && three);
  for (const [each, held] of [
    [one, 2],
    [two, 3],
  ] as const) {
    each.shared.update(() => {
      each.mine = held;
    });
  }
  three.shared.refresh();
  assert.deepEqual([three.others, three.count], [5, 0]);
  files.release(1);
  await turn();
  three.shared.refresh();
  assert.equal(three.others, 3);
  two.shared.update(() => {
    two.mine = 0;
  });
  await turn();
  three.shared.refresh();
  assert.equal(three.others, 0);
});

test('a subject that is forgotten begins anew for those that join, and works on for those that did before', (context) => {
  const { worker } = shareFiles(context);
  const [one, two] = [join(worker(1, 'limits')), join(worker(2, 'limits'))];
  countUp(one);
  countUp(two);
  one.shared.forget();
  const later = join(worker(3, 'limits'));
  later.shared.refresh();
  assert.equal(later.count, 0);
  countUp(two);
  countUp(later);
  assert.equal(later.count, 4);
});

test('what throws inside is thrown, and the lock is free again', (context) => {
  const { worker, failures } = shareFiles(context);
  const [one, two] = [join(worker(1, 'limits')), join(worker(2, 'limits'))];
  assert.throws(
    () =>
      one.shared.update(() => {
        throw new Error('ours');
      }),
    /ours/,
  );
  countUp(two);
  countUp(one);
  assert.equal(one.count, 2);
  assert.deepEqual(failures, []);
});

const child = fileURLToPath(new URL('./counter.ts', import.meta.url));

function start(context: TestContext, folder: string, id: number, times: number): ChildProcess {
  const args = ['--import', import.meta.resolve('tsx'), child, folder, String(id), String(times)];
  const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(() => started.kill('SIGKILL'));
  return started;
}

/** What a process has printed once it has ended. */
async function result({ stdout }: ChildProcess): Promise<unknown> {
  let text = '';
  for await (const piece of stdout ?? []) text += piece;
  return JSON.parse(text);
}

test('no process misses what another has counted, not even when one is killed in the middle', async (context) => {
  const folder = temporaryFolder();
  const files = createSharedFiles(folder);
  context.after(() => files.close());
  const counted = [1, 2].map((id) => result(start(context, folder, id, 2000)));
  const victim = start(context, folder, 3, 1_000_000);
  assert.ok(victim.stdout);
  await once(victim.stdout, 'data');
  victim.kill('SIGKILL');
  await once(victim, 'close');
  files.release(3);
  for (const each of await Promise.all(counted)) assert.deepEqual(each, { own: 2000, isIntact: true });

  const { openSharing } = await import('../../src/workers/store.js');
  const last = join(
    openSharing(folder, 'limits', 9, (error) => assert.fail(String(error))),
    'sum',
  );
  last.shared.refresh();
  assert.ok(last.count >= 4000 && last.count < 1_004_000);
  assert.equal(last.others, 4000, 'the two that lived hold what they counted, the third nothing');
});
