// Puts the entry points of the package and what they share into few files: `node .ci/bundle.mjs [folder]`, after tsc has
// written the types. A module costs about 0.25 ms of start-up, and TypeBox alone is 680 of them.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Packages of many small files. Everything else stays what npm installs. */
const INLINED = ['typebox', 'drizzle-orm', 'uuid', 'yaml'];

const [outdir = 'dist'] = process.argv.slice(2);
const { exports, dependencies, peerDependencies } = manifestOf('.');
const plugins = Object.values(exports).flatMap((entry) => entry.default ?? []);

// What a host imports, and apart from it the program: the fewer there are to share a module, the fewer files there are.
// The modules of one process are all from one of the two, so each is there once.
await bundle(plugins, 'shared');
await bundle(['./dist/src/cli.js'], 'program');
await bundle(['./dist/src/db/thread.js'], 'thread');

function bundle(entries, folder) {
  return build({
    entryPoints: entries.map((file) => file.replace('./dist/', '').replace(/\.js$/, '.ts')),
    outdir,
    outbase: '.',
    // Beside src/db/, from where the ledger finds its thread.
    chunkNames: `src/${folder}/[name]-[hash]`,
    bundle: true,
    splitting: true,
    sourcemap: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external: Object.keys({ ...dependencies, ...peerDependencies }).filter((name) => !INLINED.includes(name)),
    // For Node it is CommonJS, the same in ES modules is for browsers.
    alias: { yaml: './node_modules/yaml/browser/dist/index.js' },
    // Otherwise what is built would tell where this machine keeps its modules.
    preserveSymlinks: true,
  });
}

writeFileSync(join(outdir, 'licenses.txt'), INLINED.map(noticeOf).join('\n\n'));

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

function noticeOf(name) {
  const folder = join('node_modules', name);
  const { version, license } = manifestOf(folder);
  return `${name} ${version} (${license})\n\n${licenseIn(folder, license)}\n`;
}

/** drizzle-orm's package has none beside the name of its license. */
function licenseIn(folder, license) {
  const files = ['license', 'LICENSE', 'LICENSE.md'].map((file) => join(folder, file));
  for (const file of [...files, `.ci/licenses/${license}.txt`]) {
    try {
      return readFileSync(file, 'utf8').trim();
    } catch {}
  }
  throw new Error(`${folder} has no license to go with what is taken from it`);
}
