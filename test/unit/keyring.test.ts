import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeTerms } from '../../src/config/keys.js';
import { createKeyring } from '../../src/keyring.js';

const keyring = createKeyring([
  { name: 'web', key: 'sk-web-0123456789', ...completeTerms({ routes: ['fast'], models: ['groq/*'] }) },
  { name: 'ops', key: 'sk-ops-0123456789', ...completeTerms({ scopes: ['read', 'proxy'], tags: ['a'] }) },
]);

test('a key finds its caller, with what it may do', () => {
  const web = keyring.find('sk-web-0123456789')?.caller;
  assert.deepEqual([web?.name, web?.scopes], ['web', new Set(['proxy'])]);
  assert.deepEqual([web?.allowed?.has('fast'), web?.allowed?.has('slow')], [true, false]);
  assert.equal(web?.allowed?.reaches?.('groq/meta/llama'), true);
  assert.equal(web?.allowed?.reaches?.('openai/gpt'), false);
  assert.deepEqual(keyring.find('sk-ops-0123456789')?.caller, {
    name: 'ops',
    scopes: new Set(['read', 'proxy']),
    allowed: null,
    limits: null,
    budget: null,
    policy: null,
    capture: null,
  });
});

test('anything else finds nobody', () => {
  const wrong = ['', 'web', 'sk-web-012345678', 'sk-web-01234567890', 'SK-WEB-0123456789', '__proto__'];
  for (const key of wrong) assert.equal(keyring.find(key), null, key);
  assert.equal(createKeyring([]).find(''), null);
});

test('a key bound to no route at all is bound nevertheless', () => {
  const bound = createKeyring([{ name: 'none', key: 'k', ...completeTerms({}), routes: [] }]);
  assert.equal(bound.find('k')?.caller.allowed?.has('fast'), false);
});
