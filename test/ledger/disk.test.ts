import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import { dirname } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openWriter } from '../../src/db/open.js';
import { sheetOf } from '../../src/db/sheet.js';
import { prepareWriter } from '../../src/db/writer.js';
import { query, settled, temporaryPath } from '../unit/ledger-fixture.js';
import { ask, type Child, kill, startChild } from './child.js';

interface Health {
  status: string;
  ledger: { status: string; queued: number; written: number; dropped: number };
}

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const onLinux = { skip: process.platform === 'linux' ? false : 'prlimit is a Linux command' };

async function start(t: TestContext, path: string, uid?: number): Promise<Child> {
  const child = await startChild(path, 'relaxed', uid);
  t.after(() => kill(child));
  return child;
}

async function healthOf({ url }: Child): Promise<Health> {
  return (await (await fetch(`${url}/health`)).json()) as Health;
}

/** The first health that is as described. The test's own timeout is the limit. */
async function healthWhen(child: Child, isSo: (health: Health) => boolean): Promise<Health> {
  for (;;) {
    const health = await healthOf(child);
    if (isSo(health)) return health;
  }
}

/** The largest file that a process may write, in bytes: what lies beyond fails as it does on a full disk. */
function limitFiles({ process: { pid } }: Child, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`]);
}

test(
  'with a disk that is full traffic goes on, health tells, and recording resumes with room',
  onLinux,
  async (t) => {
    const path = temporaryPath();
    const child = await start(t, path);
    assert.equal((await ask(child.url))?.status, 200);
    await healthWhen(child, ({ ledger }) => ledger.written === 1);

    limitFiles(child, 4096);
    for (let request = 0; request < 5; request += 1) assert.equal((await ask(child.url))?.status, 200);
    const full = await healthWhen(child, ({ status }) => status === 'degraded');
    assert.deepEqual([full.ledger.written, full.ledger.queued, full.ledger.dropped], [1, 5, 0]);
    assert.equal((await ask(child.url))?.status, 200);

    limitFiles(child, 'unlimited');
    const room = await healthWhen(child, ({ ledger }) => ledger.queued === 0);
    assert.deepEqual([room.status, room.ledger.written, room.ledger.dropped], ['ok', 7, 0]);
    assert.deepEqual(query(path, 'select count(*) as n from exchanges'), [{ n: 7 }]);
    assert.deepEqual(query(path, 'select sum(exchanges) as n from rollups'), [{ n: 7 }]);
    assert.deepEqual(query(path, 'pragma integrity_check'), [{ integrity_check: 'ok' }]);
  },
);

test('a file that is made read-only while it is open goes on being written', async (t) => {
  const path = temporaryPath();
  if (isRoot) {
    chmodSync(dirname(path), 0o755);
    chownSync(dirname(path), NOBODY, NOBODY);
  }
  const child = await start(t, path, isRoot ? NOBODY : undefined);
  chmodSync(path, 0o444);
  assert.equal((await ask(child.url))?.status, 200);
  const { status } = await healthWhen(child, ({ ledger }) => ledger.written === 1);
  assert.equal(status, 'ok');
});

test('a batch that does not fit is not written in part, and fits when there is room', (t) => {
  const client = openWriter(temporaryPath(), { synchronous: 'normal', waitMs: 0 });
  t.after(() => client.close());
  const write = prepareWriter(client);
  const rows = { sheet: sheetOf(Array.from({ length: 500 }, () => settled())), bodies: [] };
  client.pragma(`max_page_count = ${Number(client.pragma('page_count', { simple: true })) + 2}`);
  assert.throws(() => write({ ...rows, again: false }), { code: 'SQLITE_FULL' });
  assert.deepEqual(client.prepare('select count(*) as n from exchanges').get(), { n: 0 });
  client.pragma('max_page_count = 100000');
  assert.equal(write({ ...rows, again: true }).written, 500);
  assert.deepEqual(client.prepare('select sum(exchanges) as n from rollups').get(), { n: 500 });
});
