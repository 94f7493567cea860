import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from './folder.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');

/** What the TypeScript compiler says; nothing when all is well. */
export async function compile(...parameters: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [compiler, ...parameters], { cwd: root });
    return stdout;
  } catch (error) {
    return error instanceof Error && 'stdout' in error ? `${error.stdout}${error.message}` : String(error);
  }
}

/** What `npm run build` does, to a folder. Returns what the compiler says. */
async function build(folder: string): Promise<string> {
  const said = await compile('-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', folder);
  await promisify(execFile)(process.execPath, ['.ci/bundle.mjs', folder], { cwd: root });
  return said;
}

/**
 * A folder with this package in its `node_modules` as it is published, built anew, and a TypeScript file of
 * `test/types`. `output` is what the compiler says of the package, `hosts` what it says of the file.
 */
export async function installedWith(
  file: string,
): Promise<{ folder: string; output: string; hosts: string }> {
  const folder = temporaryFolder();
  const modules = join(folder, 'node_modules');
  const installed = join(modules, 'fastify-llm-gateway');
  mkdirSync(installed, { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  cpSync(join(root, 'package.json'), join(installed, 'package.json'));
  cpSync(join(root, 'drizzle'), join(installed, 'drizzle'), { recursive: true });
  const output = await build(join(installed, 'dist'));
  cpSync(join(root, 'test/types', file), join(folder, file));
  const compilerOptions = {
    module: 'NodeNext',
    target: 'ES2023',
    types: ['node'],
    strict: true,
    skipLibCheck: true,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: [file] }));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  return { folder, output, hosts: await compile('-p', folder) };
}
