import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLocalCaller, isLoopback, isLoopbackHost } from '../../src/loopback.js';

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
  for (const name of [
    'forwarded',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-real-ip',
    'via',
    'cf-connecting-ip',
  ]) {
    assert.equal(isLocalCaller('127.0.0.1', { [name]: '' }), false, name);
  }
});

test('a name of another site that points here is not this machine', () => {
  const local = [
    'localhost',
    'localhost:8080',
    'LOCALHOST:1',
    'app.localhost:3000',
    '127.0.0.1:80',
    '[::1]:8080',
    '[::1]',
  ];
  for (const host of local) assert.equal(isLocalCaller('127.0.0.1', { host }), true, host);
  const foreign = [
    'evil.test',
    'evil.test:8080',
    'localhost.evil.test',
    '127.0.0.1.evil.test:80',
    '',
    '10.0.0.1:80',
  ];
  for (const host of foreign) assert.equal(isLocalCaller('127.0.0.1', { host }), false, host);
  assert.equal(isLocalCaller('::1', { ':authority': 'evil.test' }), false);
});

test('a server that listens on every address does not listen on loopback alone', () => {
  for (const host of ['0.0.0.0', '::', '192.168.1.2', 'example.test'])
    assert.equal(isLoopbackHost(host), false, host);
});
