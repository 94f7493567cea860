import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installedWith } from '../helpers/installed.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const entryPoints = Object.keys(exports).filter((name) => name !== './package.json');

test('every plugin that can be registered by itself is an entry point of the package', () => {
  const folder = join(root, 'plugins');
  // The processes of a gateway know of each other through the command line that started them.
  const plugins = readdirSync(folder).filter(
    (file) =>
      file !== 'workers.ts' && readFileSync(join(folder, file), 'utf8').includes('export default fp('),
  );
  assert.deepEqual(
    entryPoints.filter((name) => name !== '.').sort(),
    plugins.map((file) => `./${file.replace(/\.ts$/, '')}`).sort(),
  );
});

test('each entry point of the built package works in a bare app with no more than it needs', async () => {
  const { folder, output, hosts } = await installedWith('bare-app.ts');
  assert.deepEqual([output, hosts], ['', '']);
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'bare-app.js')], {
    cwd: folder,
  });
  const shown: Record<string, unknown> = JSON.parse(stdout);
  assert.deepEqual(Object.keys(shown).sort(), [...entryPoints].sort());
  for (const [name, value] of Object.entries(shown)) {
    assert.equal(value, name === './auth' ? 401 : typeof value === 'boolean' ? true : 200, name);
  }
});
