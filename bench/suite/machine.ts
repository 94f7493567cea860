import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** What the kernel says of a process, all its threads together. Linux only. */
export interface ProcessMeter {
  /** Seconds of processor time so far, to the nanosecond. Of threads that have ended, what was seen of them. */
  cpu(): number;
  /** The same by thread; the first one is the main thread. */
  threads(): Map<string, number>;
  /** Bytes. */
  rss(): number;
  /** Bytes, the most since `restartPeak`. */
  peak(): number;
  restartPeak(): void;
  /** Open file descriptors. */
  handles(): number;
}

export function meterOf(pid: number): ProcessMeter {
  const status = (name: string): number => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(found?.[1]) * 1024;
  };
  const seen = new Map<string, number>();
  const threads = (): Map<string, number> => {
    for (const task of readdirSync(`/proc/${pid}/task`)) seen.set(task, cpuOf(`/proc/${pid}/task/${task}`));
    return new Map(seen);
  };
  return {
    cpu: () => [...threads().values()].reduce((sum, seconds) => sum + seconds, 0),
    threads,
    rss: () => status('VmRSS'),
    peak: () => status('VmHWM'),
    // proc(5): 5 resets the peak to what is resident now.
    restartPeak: () => writeFileSync(`/proc/${pid}/clear_refs`, '5'),
    handles: () => readdirSync(`/proc/${pid}/fd`).length,
  };
}

/** The first number of `schedstat` is the time on a processor, in nanoseconds; `stat` counts in steps of 10 ms. */
function cpuOf(task: string): number {
  const [ns] = readFileSync(`${task}/schedstat`, 'latin1').split(' ');
  return Number(ns) / 1e9;
}

/** The core that the measured process has to itself, and the one for everything else. */
const SUBJECT_CORE = '0';
const OTHERS_CORE = '1';

/**
 * Moves this process, which is upstream and clients, to a core of its own.
 *
 * @returns what to put before the command of a measured process: nothing where processes cannot be bound
 */
export function divideCores(): readonly string[] {
  if (availableParallelism() < 2) return [];
  const { status } = spawnSync('taskset', ['-a', '-c', '-p', OTHERS_CORE, String(process.pid)]);
  return status === 0 ? ['taskset', '-c', SUBJECT_CORE] : [];
}
