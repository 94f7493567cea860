import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKeyring } from '../../src/keyring.js';

const keyring = createKeyring([
  {
    name: 'web',
    key: 'sk-web-0123456789',
    scopes: ['proxy'],
    routes: ['fast'],
    policy: null,
    limits: null,
    capture: null,
  },
  {
    name: 'ops',
    key: 'sk-ops-0123456789',
    scopes: ['read', 'proxy'],
    routes: null,
    policy: null,
    limits: null,
    capture: null,
  },
]);

test('a key finds its caller, with what it may do', () => {
  assert.deepEqual(keyring.find('sk-web-0123456789'), {
    name: 'web',
    scopes: new Set(['proxy']),
    routes: new Set(['fast']),
    limits: null,
  });
  assert.deepEqual(keyring.find('sk-ops-0123456789'), {
    name: 'ops',
    scopes: new Set(['read', 'proxy']),
    routes: null,
    limits: null,
  });
});

test('anything else finds nobody', () => {
  const wrong = ['', 'web', 'sk-web-012345678', 'sk-web-01234567890', 'SK-WEB-0123456789', '__proto__'];
  for (const key of wrong) assert.equal(keyring.find(key), null, key);
  assert.equal(createKeyring([]).find(''), null);
});

test('a key bound to no route at all is bound nevertheless', () => {
  const bound = createKeyring([
    { name: 'none', key: 'k', scopes: [], routes: [], policy: null, limits: null, capture: null },
  ]);
  assert.equal(bound.find('k')?.routes?.size, 0);
});
