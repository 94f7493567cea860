import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type ProviderConfig, parseConfig } from '../../src/config.js';
import { createDiscovery, nextDelay, readModelIds } from '../../src/routing/discovery.js';
import { createRouter } from '../../src/routing/router.js';
import { buildTable } from '../../src/routing/table.js';

const config = parseConfig(
  {
    providers: {
      lab: { type: 'ollama', discover: '10s', models: { known: { context: 7 } } },
      empty: { type: 'ollama', discover: true },
      open: { type: 'ollama' },
    },
    routes: { r: { targets: ['empty/routed'] } },
  },
  {},
);

/** Discovery with answers that a test gives, one call at a time. */
function discover(context: TestContext, only = 'lab') {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const events = new EventEmitter();
  const calls: { answer: (body: unknown) => void; fail: (error: Error) => void; signal: AbortSignal }[] = [];
  const told: unknown[] = [];
  const provider = config.providers[only];
  assert.ok(provider);
  const discovery = createDiscovery({
    providers: { [only]: provider },
    fetchModels(_provider: ProviderConfig, signal) {
      return new Promise((answer, fail) => {
        calls.push({ answer, fail, signal });
        events.emit('call');
      });
    },
    onModels(name, models) {
      told.push([name, ...models]);
      events.emit('told');
    },
    onFailure(name, error) {
      told.push([name, error instanceof Error ? error.message : error]);
      events.emit('told');
    },
    random: () => 0.5,
  });
  context.after(() => discovery.stop());
  /** Lets the current call end, and waits until somebody was told. */
  async function end(act: (call: (typeof calls)[number]) => void) {
    const heard = once(events, 'told');
    const call = calls.at(-1);
    assert.ok(call);
    act(call);
    await heard;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { discovery, calls, told, end, tick: (ms: number) => context.mock.timers.tick(ms) };
}

const list = (...ids: unknown[]) => ({ object: 'list', data: ids.map((id) => ({ id, object: 'model' })) });

test('a provider is asked at once, and again after each period', async (t) => {
  const { discovery, calls, told, end, tick } = discover(t);
  discovery.start();
  discovery.start();
  assert.equal(calls.length, 1);
  await end(({ answer }) => answer(list('a', 'b')));
  tick(9_999);
  assert.equal(calls.length, 1);
  tick(1);
  assert.equal(calls.length, 2);
  await end(({ answer }) => answer(list('a')));
  assert.deepEqual(told, [
    ['lab', 'a', 'b'],
    ['lab', 'a'],
  ]);
});

test('after a failure it is asked again sooner, and nobody is told of other models', async (t) => {
  const { discovery, calls, told, end, tick } = discover(t);
  discovery.start();
  await end(({ fail }) => fail(new Error('refused')));
  tick(5_000);
  assert.equal(calls.length, 2);
  await end(({ answer }) => answer({ error: 'nonsense' }));
  tick(9_999);
  assert.equal(calls.length, 2);
  tick(1);
  assert.equal(calls.length, 3);
  assert.deepEqual(told, [
    ['lab', 'refused'],
    ['lab', 'The answer is no list of models.'],
  ]);
});

test('when it stops, the call under way is aborted and nothing follows', async (t) => {
  const { discovery, calls, told, tick } = discover(t);
  discovery.start();
  discovery.stop();
  assert.equal(calls[0]?.signal.aborted, true);
  calls[0]?.answer(list('late'));
  await new Promise((resolve) => setImmediate(resolve));
  tick(60_000);
  assert.deepEqual([told, calls.length], [[], 1]);
});

test('providers that are not to be asked are not asked', (t) => {
  const { discovery, calls } = discover(t, 'open');
  discovery.start();
  assert.equal(calls.length, 0);
});

test('the wait doubles with each failure up to the period, a tenth more or less', () => {
  const waits = [0, 1, 2, 3, 4, 50].map((failures) => nextDelay(30_000, failures, 0.5));
  assert.deepEqual(waits, [30_000, 5_000, 10_000, 20_000, 30_000, 30_000]);
  assert.deepEqual([nextDelay(1000, 0, 0), nextDelay(1000, 0, 1)], [900, 1100]);
  assert.equal(nextDelay(1000, 1, 0.5), 1000);
});

test('ids are taken from a list of models, and nothing else', () => {
  const ids = ['a', 'org/b:free', 'a', 'with space', '', 7, null, 'x'.repeat(257), 'line\n'];
  assert.deepEqual(readModelIds(list(...ids), 'ollama'), ['a', 'org/b:free']);
  assert.deepEqual(readModelIds({ data: [null, 'a', {}] }, 'ollama'), []);
  assert.deepEqual(readModelIds(list('models/gemini-x'), 'google'), ['gemini-x']);
  assert.equal(readModelIds(list(...Array.from({ length: 6000 }, (_, n) => `m${n}`)), 'ollama').length, 5000);
  for (const body of [null, [], {}, { data: {} }, 'text', { error: {} }]) {
    assert.throws(() => readModelIds(body, 'ollama'), /no list of models/);
  }
});

test('until a provider has said what it has, only declared models lead to it', () => {
  const table = buildTable(config);
  assert.equal(table.resolve('lab/known')?.targets[0]?.declared?.context, 7);
  assert.equal(table.resolve('lab/new'), null);
  assert.equal(table.resolve('empty/any'), null);
  assert.equal(table.resolve('empty/routed'), null, 'a route does not open the provider');
  assert.equal(table.resolve('r')?.targets[0]?.id, 'empty/routed', 'what the operator wrote holds');
  assert.equal(table.resolve('open/any')?.targets[0]?.id, 'open/any');
});

test('discovered models are addressed, found by their id, and listed', () => {
  const router = createRouter(config);
  const ids = (name: string) => router.resolve(name, null).targets.map(({ id }) => id);
  assert.throws(() => router.resolve('shared', null), { code: 'model_not_found' });
  router.discovered('lab', ['known', 'shared', 'lab-only']);
  router.discovered('empty', ['shared']);
  assert.deepEqual(ids('shared'), ['lab/shared', 'empty/shared']);
  assert.deepEqual(ids('lab-only'), ['lab/lab-only']);
  assert.deepEqual(ids('empty/shared'), ['empty/shared']);
  assert.equal(router.resolve('lab/known', null).targets[0]?.declared?.context, 7);
  assert.throws(() => router.resolve('empty/other', null), { code: 'model_not_found' });
  assert.deepEqual(
    router.models(null).map(({ id }) => id),
    ['r', 'lab/known', 'lab/shared', 'lab/lab-only', 'empty/shared'],
  );
});

test('a new list replaces the provider’s old one, and nobody else’s', () => {
  const router = createRouter(config);
  router.discovered('lab', ['old']);
  router.discovered('empty', ['kept']);
  const before = router.resolve('lab/old', null);
  router.discovered('lab', ['new']);
  assert.throws(() => router.resolve('old', null), { code: 'model_not_found' });
  assert.equal(router.resolve('new', null).targets[0]?.id, 'lab/new');
  assert.equal(router.resolve('kept', null).targets[0]?.id, 'empty/kept');
  assert.equal(before.targets[0]?.id, 'lab/old');
});
