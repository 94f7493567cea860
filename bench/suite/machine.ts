import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Clock ticks a second in `/proc/PID/stat`; the kernel gives user space 100 on every architecture Node runs on. */
const TICKS = 100;

/** What the kernel says of a process, all its threads together. Linux only. */
export interface ProcessMeter {
  /** Seconds of processor time so far, in steps of 10 ms. */
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
  return {
    cpu: () => cpuOf(`/proc/${pid}/stat`),
    threads() {
      const tasks = readdirSync(`/proc/${pid}/task`);
      return new Map(tasks.map((task) => [task, cpuOf(`/proc/${pid}/task/${task}/stat`)]));
    },
    rss: () => status('VmRSS'),
    peak: () => status('VmHWM'),
    // proc(5): 5 resets the peak to what is resident now.
    restartPeak: () => writeFileSync(`/proc/${pid}/clear_refs`, '5'),
    handles: () => readdirSync(`/proc/${pid}/fd`).length,
  };
}

function cpuOf(path: string): number {
  const stat = readFileSync(path, 'latin1');
  // proc(5): utime and stime are fields 14 and 15; the second, a name in brackets, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
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
