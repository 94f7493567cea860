/**
 * Runs test files, several in one process: starting a process and loading what it needs takes as long as most files.
 *
 *   node --import tsx test/tools/run.ts [--jobs 2] FILE...
 *
 * Files of the folders in `APART`, and those that say `// own process`, run by themselves, because they look at their
 * process as a whole. Fails when a test fails, a process does not end in time, or no test ran.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const APART = ['test/cli/', 'test/embed/', 'test/types/', 'test/ledger/'];
const PER_PROCESS = 12;
const GROUP = fileURLToPath(new URL('./group.ts', import.meta.url));
const TIMEOUT_MS = 180_000;

interface Totals {
  tests: number;
  pass: number;
  fail: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { jobs: { type: 'string', default: String(Math.max(2, availableParallelism())) } },
});
const groups = groupsOf(positionals);
const pending = [...groups];
const totals: Totals = { tests: 0, pass: 0, fail: 0 };
const failures: string[] = [];
const started = performance.now();
await Promise.all(Array.from({ length: Number(values.jobs) }, work));
for (const failure of failures) console.log(failure);
console.log(`# files ${positionals.length} in ${groups.length} processes, ${seconds(started)}`);
console.log(`# tests ${totals.tests}\n# pass ${totals.pass}\n# fail ${totals.fail}`);
process.exitCode = failures.length > 0 || totals.fail > 0 || totals.tests === 0 ? 1 : 0;

async function work(): Promise<void> {
  for (let group = next(); group !== undefined; group = next()) await run(group);
}

function next(): string[] | undefined {
  return pending.shift();
}

function groupsOf(files: readonly string[]): string[][] {
  const alone = files.filter(isApart);
  const shared = files.filter((file) => !isApart(file));
  const count = Math.ceil(shared.length / PER_PROCESS);
  const together = Array.from({ length: count }, (_, at) => shared.filter((_file, n) => n % count === at));
  return [...alone.map((file) => [file]), ...together];
}

function isApart(file: string): boolean {
  return (
    APART.some((folder) => file.startsWith(folder)) || readFileSync(file, 'utf8').includes('// own process')
  );
}

/** One process. Its output is kept, and shown when something in it fails. */
function run(files: string[]): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', '--test-reporter', 'tap', ...(files.length === 1 ? ['--test'] : [GROUP]), ...files],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    const begun = performance.now();
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const found = readTotals(output);
      for (const name of ['tests', 'pass', 'fail'] as const) totals[name] += found[name];
      const broken = code !== 0 || found.tests === 0;
      console.log(
        `${broken ? 'not ok' : 'ok'} ${found.pass}/${found.tests} ${describe(files)} ${seconds(begun)}`,
      );
      if (broken) failures.push(`--- ${files.join(' ')} (${signal ?? code})\n${failedParts(output)}`);
      resolve();
    });
  });
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

function describe(files: readonly string[]): string {
  return files.length === 1 ? String(files[0]) : `${files.length} files from ${files[0]}`;
}

function readTotals(output: string): Totals {
  const count = (name: string) => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  return { tests: count('tests'), pass: count('pass'), fail: count('fail') };
}

/** Each failed test with what it says, else the end of the output. */
function failedParts(output: string): string {
  const parts = output.match(/^ *not ok .*\n( *---\n(?:.*\n)*? *\.\.\.\n)?/gm);
  return parts === null ? output.slice(-4000) : parts.join('');
}
