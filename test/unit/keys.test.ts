import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { KeyTermsOptions } from '../../src/config/schema.js';
import { parseConfig } from '../../src/config.js';
import type { KeyTable } from '../../src/db/keys.js';
import { PLAIN_RULES } from '../../src/db/payloads.js';
import type { SmallTasks } from '../../src/db/small-tasks.js';
import { createStore } from '../../src/db/store.js';
import { forcedFilter } from '../../src/keys/caller.js';
import { createKeys } from '../../src/keys/keys.js';
import { hashKey, newSecret, secretId } from '../../src/keys/secret.js';
import { temporaryPath } from './ledger-fixture.js';

const NOW = Date.now();
const HOUR_MS = 3_600_000;
const CONFIGURED = 'sk-configured-0123456789';

/** Keys over a database of their own, which can be made to fail. */
async function setUp(t: TestContext, options: { keySecret?: string; path?: string } = {}) {
  const { keySecret, path = temporaryPath() } = options;
  const store = createStore({ path, role: 'write', synchronous: 'normal', payloads: PLAIN_RULES });
  t.after(() => store.close(null));
  const state = { broken: false, lines: [] as string[] };
  async function run<Task extends keyof SmallTasks>(task: Task, input: SmallTasks[Task]['input']) {
    if (state.broken) throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });
    return await store[task](input);
  }
  const config = parseConfig(
    {
      keys: [{ name: 'ops', key: CONFIGURED, expires: '2020-01-01' }],
      providers: { echo: { type: 'echo' } },
      ...(keySecret !== undefined && { keySecret }),
    },
    {},
  );
  const line = (_details: object, text: string) => state.lines.push(text);
  const open = (keys = config.keys) =>
    createKeys({ config: { ...config, keys }, ledger: { run }, logger: { warn: line, error: line } });
  const keys = open([]);
  return { keys, open, config, store, state, path };
}

test('keys have 256 random bits, an id by which they are found, and one form', () => {
  const made = Array.from({ length: 100 }, newSecret);
  assert.equal(new Set(made.map(({ key }) => key)).size, 100);
  for (const { id, key } of made) {
    assert.match(key, /^gw-[0-9a-z]{8}-[A-Za-z0-9_-]{43}$/);
    assert.equal(secretId(key), id);
  }
  for (const other of ['', 'gw-', `${made[0]?.key}x`, ` ${made[0]?.key}`, 'sk-0123456789abcdef']) {
    assert.equal(secretId(other), null);
  }
});

test('a key that was created lets its holder in, with all its terms, and is stored as a keyed hash only', async (t) => {
  const { keys, store } = await setUp(t);
  await keys.refresh();
  const terms: KeyTermsOptions = {
    scopes: ['proxy', 'read'],
    routes: ['fast'],
    models: ['groq/*'],
    policy: 'code',
  };
  const { result, key } = await keys.create('web', { ...terms, budget: { usd: 2, per: 'day' } }, 'root');
  assert.equal(result, 'done');
  const caller = keys.find(key, NOW);
  assert.ok(typeof caller !== 'string');
  assert.deepEqual([caller.name, [...caller.scopes], caller.policy], ['web', ['proxy', 'read'], 'code']);
  assert.deepEqual(caller.budget, { nano: 2e9, per: 'day', kind: 'hard' });
  assert.deepEqual([caller.allowed?.has('fast'), caller.allowed?.reaches?.('groq/m')], [true, true]);
  for (const wrong of ['', 'web', key.slice(0, -1), `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`]) {
    assert.equal(keys.find(wrong, NOW), 'unknown', wrong);
  }
  const { secret, secrets } = (await store.keys(null)) as KeyTable;
  assert.deepEqual(Buffer.from(secrets[0]?.hash ?? []), hashKey(secret, key));
  assert.ok(!JSON.stringify(secrets).includes(key.slice(12)));
});

test('a key of the configuration expires as one of the database does', async (t) => {
  const { open, config } = await setUp(t);
  const keys = open([...config.keys]);
  await keys.refresh();
  assert.equal(keys.find(CONFIGURED, NOW), 'expired');
  const { key } = await keys.create('short', { expires: new Date(NOW + HOUR_MS).toISOString() }, null);
  assert.notEqual(keys.find(key, NOW), 'expired');
  assert.equal(keys.find(key, NOW + HOUR_MS), 'expired');
});

test('the predecessor of a rotated key works for the grace period, and rotating again never prolongs it', async (t) => {
  const { keys } = await setUp(t);
  const { key: first } = await keys.create('web', {}, null);
  const { key: second } = await keys.rotate('web', HOUR_MS);
  const { key: third } = await keys.rotate('web', 10 * HOUR_MS);
  const at = (hours: number) =>
    [first, second, third].map((key) => {
      const found = keys.find(key, Date.now() + hours * HOUR_MS);
      return typeof found === 'string' ? found : found.name;
    });
  assert.deepEqual(at(0.5), ['web', 'web', 'web']);
  assert.deepEqual(at(2), ['replaced', 'web', 'web']);
  assert.deepEqual(at(11), ['replaced', 'replaced', 'web']);
  const { key: now } = await keys.rotate('web', 0);
  assert.equal(keys.find(third, Date.now() + 1), 'replaced');
  assert.equal(typeof keys.find(now, NOW), 'object');
});

test('a revoked key is refused, stays listed, and nobody gets its name', async (t) => {
  const { keys } = await setUp(t);
  const { key } = await keys.create('web', {}, null);
  assert.deepEqual(await keys.revoke('web'), { result: 'done' });
  assert.equal(keys.find(key, NOW), 'revoked');
  assert.equal(keys.none, false, 'the gateway does not open itself');
  assert.equal((await keys.create('web', {}, null)).result, 'taken');
  assert.equal((await keys.revoke('web')).result, 'revoked');
  assert.equal((await keys.update('web', () => ({}))).result, 'revoked');
  assert.equal((await keys.rotate('nobody', 0)).result, 'missing');
  assert.deepEqual(keys.callers(), []);
});

test('changes of one key at once, here and in another process, do not undo each other', async (t) => {
  const { keys, open } = await setUp(t);
  await keys.create('web', {}, null);
  const other = open([]);
  await other.refresh();
  const changes: KeyTermsOptions[] = [{ tags: ['a'] }, { policy: 'code' }, { limits: { concurrency: 2 } }];
  await Promise.all(changes.map((more) => keys.update('web', (before) => ({ ...before, ...more }))));
  await other.update('web', (before) => ({ ...before, budget: { usd: 1, per: 'day' } }));
  await keys.refresh();
  assert.deepEqual(keys.stored('web')?.options, {
    tags: ['a'],
    policy: 'code',
    limits: { concurrency: 2 },
    budget: { usd: 1, per: 'day' },
  });
});

test('what did not change in the database is the same object when it is read again', async (t) => {
  const { keys } = await setUp(t);
  await keys.create('web', { limits: { concurrency: 2 } }, null);
  await keys.create('app', {}, null);
  const before = [keys.named('web'), keys.named('app')];
  await keys.update('app', () => ({ tags: ['a'] }));
  await keys.rotate('web', 0);
  assert.equal(keys.named('web'), before[0]);
  assert.notEqual(keys.named('app'), before[1]);
  await keys.revoke('web');
  assert.deepEqual(
    keys.callers().map(({ name }) => name),
    ['app'],
  );
});

test('when the database fails, known keys are good and unknown ones no better than before', async (t) => {
  const { keys, state } = await setUp(t);
  const { key } = await keys.create('web', {}, null);
  state.broken = true;
  await keys.refresh();
  assert.equal(typeof keys.find(key, NOW), 'object');
  assert.equal(keys.find(newSecret().key, NOW), 'unknown');
  await assert.rejects(keys.revoke('web'));
  assert.equal(typeof keys.find(key, NOW), 'object');
  assert.match(state.lines.join('\n'), /those that were known still work/);
});

test('while the database was never read, what may be a key in it is not called wrong', async (t) => {
  const { keys, state } = await setUp(t);
  state.broken = true;
  await keys.refresh();
  assert.equal(keys.find(newSecret().key, NOW), 'unread');
  assert.equal(keys.find('sk-not-of-this-form-0123', NOW), 'unknown');
  assert.equal(keys.none, false, 'it is not open because it cannot read');
  state.broken = false;
  await keys.refresh();
  assert.equal(keys.none, true);
});

test('a database that is replaced under a running gateway takes no good key away', async (t) => {
  const one = await setUp(t);
  const other = await setUp(t);
  const { key } = await one.keys.create('web', {}, null);
  const { key: foreign } = await other.keys.create('else', {}, null);
  let current = one.store;
  async function run<Task extends keyof SmallTasks>(task: Task, input: SmallTasks[Task]['input']) {
    return await current[task](input);
  }
  const lines: string[] = [];
  const line = (_details: object, text: string) => lines.push(text);
  const config = { ...one.config, keys: [] };
  const keys = createKeys({ config, ledger: { run }, logger: { warn: line, error: line } });
  await keys.refresh();
  current = other.store;
  await keys.refresh();
  assert.deepEqual([typeof keys.find(key, NOW), typeof keys.find(foreign, NOW)], ['object', 'object']);
  assert.match(lines.join('\n'), /the database was replaced/);
});

test('a gateway without keys stays open when its database is replaced, and keys outlive a second replacement', async (t) => {
  const { keys, state, path } = await setUp(t);
  const replace = async () => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
    await keys.refresh();
  };
  await keys.refresh();
  await replace();
  assert.equal(keys.none, true);
  assert.deepEqual(state.lines, []);
  const { key } = await keys.create('web', {}, null);
  await replace();
  await replace();
  assert.equal(keys.none, false);
  const found = keys.find(key, Date.now());
  assert.equal(typeof found === 'string' ? found : found.name, 'web');
});

test('with a secret of the operator the database alone makes no key', async (t) => {
  const { keys, path } = await setUp(t, { keySecret: 'an-operators-own-secret' });
  const { key } = await keys.create('web', {}, null);
  const without = await setUp(t, { path });
  await without.keys.refresh();
  assert.equal(without.keys.find(key, NOW), 'unknown');
  assert.match(without.state.lines.join('\n'), /another keySecret/);
  const again = await setUp(t, { path, keySecret: 'an-operators-own-secret' });
  await again.keys.refresh();
  assert.equal(typeof again.keys.find(key, NOW), 'object');
});

test('a caller without the scope read sees its own records only', async (t) => {
  const { keys } = await setUp(t);
  const filters: unknown[] = [];
  for (const [name, scopes] of [
    ['a', ['proxy']],
    ['b', ['proxy', 'read']],
    ['c', ['admin']],
  ] as const) {
    await keys.create(name, { scopes: [...scopes] }, null);
    const caller = keys.named(name);
    filters.push(caller === null ? undefined : forcedFilter(caller));
  }
  assert.deepEqual(filters, [{ key: 'a' }, null, { key: 'c' }]);
});
