import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { meterOf, type ProcessMeter } from './machine.js';

/** A measured process. */
export interface Child {
  readonly pid: number;
  /** Where it listens. */
  readonly port: number;
  readonly meter: ProcessMeter;
  /** How late the event loop was since `restartDelay`, in milliseconds. */
  delay(): Promise<{ p50: number; p99: number; max: number }>;
  restartDelay(): Promise<void>;
  /** Collects garbage first, if the process was started with `--expose-gc`. Bytes. */
  memory(): Promise<{ rss: number; heapUsed: number; external: number; resources: string[] }>;
  /** SIGTERM, and SIGKILL when that is not enough. */
  stop(): Promise<void>;
}

export interface Command {
  /** What comes before `node`, such as `taskset -c 0`. */
  readonly prefix: readonly string[];
  /** Options of `node` besides the probe. */
  readonly nodeOptions?: readonly string[];
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Set when it listens where it was told to, and says nothing of it that could be relied on. */
  readonly port?: number;
}

const READY_MS = 20_000;
const STOP_MS = 10_000;
const ANSWER_MS = 30_000;
const OUTPUT_KEPT = 4000;

const probe = new URL('./probe.mjs', import.meta.url).href;
const running = new Set<ChildProcess>();

/** Ends what was started, at once; for a signal. */
export function killChildren(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Starts a process and waits until it says where it listens. */
export async function startChild(command: Command): Promise<Child> {
  const [program = '', ...args] = [
    ...command.prefix,
    process.execPath,
    ...(command.nodeOptions ?? []),
    '--import',
    probe,
    ...command.args,
  ];
  // `PATH` only: a provider key of whoever runs this must not decide what is measured.
  const env = { PATH: process.env.PATH, ...command.env };
  const child = spawn(program, args, { cwd: command.cwd, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const port = await listening(child, command);
  const { pid = 0 } = child;
  return {
    pid,
    port,
    meter: meterOf(pid),
    delay: () => ask(child, 'delay'),
    restartDelay: () => ask(child, 'reset'),
    memory: () => ask(child, 'memory'),
    stop: () => stop(child),
  };
}

function listening(child: ChildProcess, { port, args }: Command): Promise<number> {
  const ready = port === undefined ? /listens on http:\/\/127\.0\.0\.1:(\d+)/ : new RegExp(`:(${port})\\b`);
  let text = '';
  return new Promise((resolve, reject) => {
    const failed = (why: string) => {
      child.kill('SIGKILL');
      reject(new Error(`${args[0]} ${why}:\n${text}`));
    };
    const timer = setTimeout(() => failed(`was not ready after ${READY_MS / 1000} s`), READY_MS);
    child.once('error', (error) => failed(error.message));
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      failed(`ended with ${code ?? signal}`);
    });
    const read = (more: string) => {
      text = (text + more).slice(-OUTPUT_KEPT);
      const found = ready.exec(text)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(Number(found));
    };
    // Read to the end: a full pipe would stop the process.
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', read);
  });
}

async function ask<T>(child: ChildProcess, question: string): Promise<T> {
  const answered = once(child, 'message', { signal: AbortSignal.timeout(ANSWER_MS) });
  child.send(question);
  const [{ answer }] = await answered;
  return answer;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}
