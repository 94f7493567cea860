import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../helpers/gateway.js';

const { LLM_GATEWAY_TEST_CLI: built } = process.env;
/** What was built just now, which starts in a tenth of the time, or the sources. */
const command =
  built === undefined
    ? ['--import', import.meta.resolve('tsx'), fileURLToPath(new URL('../../src/cli.ts', import.meta.url))]
    : [resolve(built)];

/** A variable of the caller's own must not decide what a test sees. */
const cleanEnvironment = { PATH: process.env.PATH, HOME: process.env.HOME };

export interface Setup {
  /** Written to llm-gateway.yaml in the working directory. */
  config?: string;
  files?: Record<string, string>;
  env?: Record<string, string>;
  /** A file that everything printed goes to instead. */
  output?: string;
}

/** The real command line in a process of its own, in an empty folder. */
export interface Cli {
  child: ChildProcess;
  folder: string;
  /** Everything printed so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves with the first match in what is printed; rejects when the process ends without one. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with the exit code, or the signal that ended the process. */
  ended: Promise<number | string>;
}

export function startCli(context: TestContext, args: readonly string[], setup: Setup = {}): Cli {
  const folder = temporaryFolder();
  const files = { ...setup.files, ...(setup.config !== undefined && { 'llm-gateway.yaml': setup.config }) };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const output = setup.output === undefined ? 'pipe' : openSync(setup.output, 'w');
  const child = spawn(process.execPath, [...command, ...args], {
    cwd: folder,
    env: { ...cleanEnvironment, ...setup.env },
    stdio: ['ignore', output, output],
  });
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text;
    });
  }
  // 'close' and not 'exit': by then all output has been read.
  const ended = once(child, 'close').then(
    ([code, signal]: (number | string)[]) => code ?? signal ?? 'unknown',
  );
  context.after(() => child.kill('SIGKILL') && ended);
  return {
    child,
    folder,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    ended,
    printed: (pattern) =>
      new Promise((found, reject) => {
        const look = () => {
          const match = pattern.exec(printed.stdout);
          if (match !== null) found(match);
        };
        child.stdout?.on('data', look);
        look();
        ended.then((code) =>
          reject(new Error(`ended with ${code} before ${pattern}: ${JSON.stringify(printed)}`)),
        );
      }),
  };
}

/** Runs a command that ends by itself. */
export async function runCli(context: TestContext, args: readonly string[], setup?: Setup) {
  const started = startCli(context, args, setup);
  const code = await started.ended;
  return { code, stdout: started.stdout(), stderr: started.stderr(), folder: started.folder };
}

/** A chat that the provider `echo` answers with "Hello". */
export const hello = { model: 'echo/echo', messages: [{ role: 'user', content: 'Hello' }] };

export interface ServedCli extends Cli {
  url: string;
  /** The default database file. */
  database: string;
}

/** `serve` on a free port, once it has said all it has to say. */
export async function serveCli(
  context: TestContext,
  setup?: Setup,
  args: readonly string[] = [],
): Promise<ServedCli> {
  const started = startCli(context, ['serve', '--port', '0', ...args], setup);
  const [, url] = await started.printed(/listens on (\S+).*\n {2}curl [^\n]*\n/s);
  assert.ok(url);
  return { ...started, url, database: join(started.folder, 'data', 'gateway.db') };
}
