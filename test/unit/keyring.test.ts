import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKeyring, isLocalCaller, isLoopback } from '../../src/keyring.js';

const keyring = createKeyring([
  { name: 'web', key: 'sk-web-0123456789', scopes: ['proxy'], routes: ['fast'] },
  { name: 'ops', key: 'sk-ops-0123456789', scopes: ['read', 'proxy'], routes: null },
]);

test('a key finds its caller, with what it may do', () => {
  assert.deepEqual(keyring.find('sk-web-0123456789'), {
    name: 'web',
    scopes: new Set(['proxy']),
    routes: new Set(['fast']),
  });
  assert.deepEqual(keyring.find('sk-ops-0123456789'), {
    name: 'ops',
    scopes: new Set(['read', 'proxy']),
    routes: null,
  });
});

test('anything else finds nobody', () => {
  const wrong = ['', 'web', 'sk-web-012345678', 'sk-web-01234567890', 'SK-WEB-0123456789', '__proto__'];
  for (const key of wrong) assert.equal(keyring.find(key), null, key);
  assert.equal(createKeyring([]).find(''), null);
});

test('a key bound to no route at all is bound nevertheless', () => {
  const bound = createKeyring([{ name: 'none', key: 'k', scopes: [], routes: [] }]);
  assert.equal(bound.find('k')?.routes?.size, 0);
});

test('loopback is 127.0.0.0/8 and ::1, also mapped into IPv6', () => {
  for (const address of ['127.0.0.1', '127.255.0.3', '::1', '::ffff:127.0.0.1']) {
    assert.equal(isLoopback(address), true, address);
  }
  const others = [undefined, '', '10.0.0.1', '128.0.0.1', '::ffff:10.0.0.1', '::', '127.0.0.1.evil.test'];
  for (const address of others) assert.equal(isLoopback(address), false, address);
});

test('who comes through a proxy is not local, whatever address the proxy has', () => {
  assert.equal(isLocalCaller('127.0.0.1', {}), true);
  assert.equal(isLocalCaller('10.0.0.1', {}), false);
  for (const name of ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip']) {
    assert.equal(isLocalCaller('127.0.0.1', { [name]: '' }), false, name);
  }
});
