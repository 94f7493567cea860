import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig, type RouteConfig } from '../../src/config.js';
import { buildTable, type Entry } from '../../src/routing/table.js';

const lab = { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1' };

/** `groq` and `echo` declare their models; `lab` and `meta` take any. */
const config = parseConfig(
  {
    providers: {
      groq: {
        type: 'groq',
        apiKey: 'k',
        models: {
          'llama-8b': { alias: 'small' },
          'shared/model': {},
          'meta/llama-70b': {},
          'meta/llama-70b:free': {},
        },
      },
      lab,
      meta: lab,
      echo: { type: 'echo', models: { echo: {}, 'shared/model': {}, small: {}, fast: {} } },
    },
    routes: { fast: { targets: ['lab/some/deep/model', 'groq/llama-8b'] } },
  },
  {},
);
const table = buildTable(config);

function ids(entry: Entry | null): string[] | null {
  return entry === null ? null : entry.targets.map((target) => target.id);
}

test('a route leads to its targets in the order of the configuration', () => {
  const entry = table.resolve('fast');
  assert.deepEqual(ids(entry), ['lab/some/deep/model', 'groq/llama-8b']);
  assert.equal(entry?.route, 'fast');
  assert.equal(entry?.strategy, 'priority');
});

test('a route wins over an alias and over a target of the same name', () => {
  for (const name of ['small', 'lab/pinned', 'groq/llama-8b']) {
    const route: RouteConfig = { name, strategy: 'priority', targets: ['echo/echo'], capture: null };
    const shadowed = buildTable({ providers: config.providers, routes: { [name]: route } });
    assert.deepEqual(ids(shadowed.resolve(name)), ['echo/echo'], name);
  }
});

test('an alias leads to its target, under no route, and wins over a declared id', () => {
  const entry = table.resolve('small');
  assert.deepEqual(ids(entry), ['groq/llama-8b']);
  assert.deepEqual([entry?.route, entry?.strategy], [null, null]);
});

test('provider/model leads to that model alone', () => {
  const target = table.resolve('groq/llama-8b')?.targets[0];
  assert.deepEqual([target?.provider.name, target?.model], ['groq', 'llama-8b']);
  assert.equal(target?.declared?.alias, 'small');
});

test('the provider ends at the first slash', () => {
  const target = table.resolve('lab/org/model/v2')?.targets[0];
  assert.deepEqual([target?.provider.name, target?.model], ['lab', 'org/model/v2']);
  assert.equal(target?.declared, null);
  const declared = table.resolve('groq/meta/llama-70b:free')?.targets[0];
  assert.deepEqual([declared?.provider.name, declared?.model], ['groq', 'meta/llama-70b:free']);
});

test('a provider’s name before the slash wins over a declared id with a slash', () => {
  assert.deepEqual(ids(table.resolve('meta/llama-70b')), ['meta/llama-70b']);
});

test('a declared id leads to every provider that declares it, in the order of the configuration', () => {
  assert.deepEqual(ids(table.resolve('shared/model')), ['groq/shared/model', 'echo/shared/model']);
  assert.deepEqual(ids(table.resolve('llama-8b')), ['groq/llama-8b']);
});

test('a provider that declares its models takes no others', () => {
  assert.equal(table.resolve('groq/unknown'), null);
});

test('half a name leads nowhere', () => {
  for (const name of ['', '/', 'lab', 'lab/', '/model', 'LAB/model', 'nobody/model']) {
    assert.equal(table.resolve(name), null, name);
  }
});

test('names that every JavaScript object knows lead nowhere', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    assert.equal(table.resolve(name), null, name);
    assert.equal(table.resolve(`groq/${name}`), null, name);
    assert.equal(table.resolve(`${name}/model`), null, name);
  }
});

test('such a name can still be a model of a provider that takes any', () => {
  assert.equal(table.resolve('lab/__proto__')?.targets[0]?.model, '__proto__');
});

test('the list holds routes, aliases and declared targets', () => {
  const listed = table.models().map(({ id, ownedBy }) => ({ id, ownedBy }));
  assert.deepEqual(listed, [
    { id: 'fast', ownedBy: 'gateway' },
    { id: 'small', ownedBy: 'groq' },
    { id: 'groq/llama-8b', ownedBy: 'groq' },
    { id: 'groq/shared/model', ownedBy: 'groq' },
    { id: 'groq/meta/llama-70b', ownedBy: 'groq' },
    { id: 'groq/meta/llama-70b:free', ownedBy: 'groq' },
    { id: 'echo/echo', ownedBy: 'echo' },
    { id: 'echo/shared/model', ownedBy: 'echo' },
    { id: 'echo/small', ownedBy: 'echo' },
    { id: 'echo/fast', ownedBy: 'echo' },
  ]);
});

test('every listed name resolves', () => {
  for (const { id } of table.models()) assert.notEqual(table.resolve(id), null, id);
});

test('the targets count a provider that takes any model once, besides what routes name', () => {
  const targets = table.targets().map((target) => target.id);
  for (const id of ['groq/llama-8b', 'echo/echo', 'lab/some/deep/model', 'lab/*', 'meta/*']) {
    assert.ok(targets.includes(id), id);
  }
});
