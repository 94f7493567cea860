import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from '../helpers/folder.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');

/** What the TypeScript compiler says; nothing when all is well. */
async function compile(...parameters: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [compiler, ...parameters], { cwd: root });
    return stdout;
  } catch (error) {
    return error instanceof Error && 'stdout' in error ? `${error.stdout}${error.message}` : String(error);
  }
}

test('importing the package types its options, its decorators and its route config', async () => {
  assert.equal(await compile('-p', 'test/types/tsconfig.json'), '');
});

test('so do the declarations that are published', async () => {
  const folder = temporaryFolder();
  const modules = join(folder, 'node_modules');
  const installed = join(modules, 'fastify-llm-gateway');
  mkdirSync(installed, { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  cpSync(join(root, 'package.json'), join(installed, 'package.json'));
  const dist = ['--emitDeclarationOnly', '--outDir', join(installed, 'dist')];
  assert.equal(await compile('-p', 'tsconfig.build.json', ...dist), '');
  cpSync(join(root, 'test/types/host-app.ts'), join(folder, 'host-app.ts'));
  const compilerOptions = {
    module: 'NodeNext',
    target: 'ES2023',
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['host-app.ts'] }));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  assert.equal(await compile('-p', folder), '');
});
