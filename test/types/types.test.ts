import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile, installedWith } from '../helpers/installed.js';

test('importing the package types its options, its decorators and its route config', async () => {
  assert.equal(await compile('-p', 'test/types/tsconfig.json'), '');
});

test('so do the declarations that are published', async () => {
  const { output, hosts } = await installedWith('host-app.ts');
  assert.deepEqual([output, hosts], ['', '']);
});
