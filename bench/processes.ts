import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The parties of a benchmark, each in a process of its own. */
export interface Parties {
  /** Base URLs with `/v1`. */
  upstream: string;
  gateway: string;
  /** The process id of the gateway. */
  pid: number;
  stop(): Promise<void>;
}

const tsx = ['--import', import.meta.resolve('tsx')];
const built = fileURLToPath(new URL('../dist/src/cli.js', import.meta.url));
const source = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

/** `PATH` only: a provider key of whoever runs this must not decide what is measured. */
const environment = { PATH: process.env.PATH };

/** Starts the scripted provider `main` and the gateway as its users start it, with a ledger. */
export async function startParties(cli: string | undefined): Promise<Parties> {
  const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-bench-'));
  const script = fileURLToPath(new URL('./upstream.ts', import.meta.url));
  const upstream = start([...tsx, script], folder);
  const gateway = { url: '', process: null as ChildProcess | null };
  try {
    const url = await printed(upstream, /(http:\S+)/);
    const config = { providers: { main: { type: 'openai-compatible', baseUrl: url } } };
    writeFileSync(join(folder, 'llm-gateway.json'), JSON.stringify(config));
    const program = cli ?? (existsSync(built) ? built : source);
    console.log(`gateway: ${program}`);
    const run = program.endsWith('.ts') ? [...tsx, program] : [program];
    gateway.process = start([...run, 'serve', '--port', '0'], folder);
    gateway.url = await printed(gateway.process, /listens on (\S+)/);
    return { upstream: url, gateway: `${gateway.url}/v1`, pid: gateway.process.pid ?? 0, stop };
  } catch (error) {
    await stop();
    throw error;
  }

  async function stop(): Promise<void> {
    for (const child of [gateway.process, upstream]) if (child !== null) await end(child);
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(args: readonly string[], cwd: string): ChildProcess {
  return spawn(process.execPath, args, { cwd, env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

function printed(child: ChildProcess, pattern: RegExp): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`ended with ${code} before ${pattern}: ${text}`)));
    child.stdout?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      const found = pattern.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
}

/** What the numbers were measured on; the load average of the last minute says how calm it was. */
export function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown';
  const load = loadavg()[0]?.toFixed(1);
  return `node ${process.version}, ${process.platform} ${process.arch}, ${availableParallelism()} × ${model}, load ${load}`;
}

/** Starts to look at all cores; the function returns how busy they have been since, in per cent. */
export function busyMeter(): () => number {
  const before = processorTimes();
  return () => {
    const after = processorTimes();
    return Math.round(100 * (1 - (after.idle - before.idle) / (after.all - before.all)));
  };
}

function processorTimes(): { idle: number; all: number } {
  const times = cpus().map((cpu) => cpu.times);
  const all = times.flatMap((each) => Object.values(each)).reduce((sum, ms) => sum + ms, 0);
  return { idle: times.reduce((sum, { idle }) => sum + idle, 0), all };
}

/** The value below which the share `at` (0 to 1) of the values lies. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))] ?? Number.NaN;
}
