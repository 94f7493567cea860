import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What `--cpu-prof` writes: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
interface Profile {
  readonly nodes: readonly {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Microseconds between samples. */
  readonly timeDeltas: readonly number[];
  /** Microseconds of the monotonic clock. */
  readonly startTime: number;
}

/** Where time went: in the function itself, not in what it called. */
export interface Cost {
  readonly group: string;
  readonly name: string;
  /** Milliseconds. */
  ms: number;
}

export interface Costs {
  readonly thread: string;
  readonly costs: readonly Cost[];
}

/** The costs between two instants of `process.hrtime`, in microseconds, of each thread that wrote a profile into a folder. */
export function readProfiles(folder: string, from: number, to: number): Costs[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
  return files.toSorted().map((name) => {
    // CPU.<date>.<time>.<pid>.<thread>.<number>.cpuprofile
    const thread = name.split('.').at(-3) ?? '?';
    const profile: Profile = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    return {
      thread: thread === '0' ? 'the event loop' : `thread ${thread}`,
      costs: costsOf(profile, from, to),
    };
  });
}

function costsOf({ nodes, samples, timeDeltas, startTime }: Profile, from: number, to: number): Cost[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const costs = new Map<string, Cost>();
  let at = startTime;
  for (const [index, id] of samples.entries()) {
    at += timeDeltas[index] ?? 0;
    if (at < from || at > to) continue;
    const frame = frames.get(id);
    if (frame === undefined) continue;
    const { functionName, url, lineNumber } = frame;
    const place = url === '' ? '' : ` ${shortOf(url)}:${lineNumber + 1}`;
    const name = `${functionName || '(anonymous)'}${place}`;
    const cost = costs.get(name) ?? { group: groupOf(functionName, url), name, ms: 0 };
    // A sample stands for the time until the next one.
    cost.ms += (timeDeltas[index + 1] ?? 0) / 1000;
    costs.set(name, cost);
  }
  return [...costs.values()].toSorted((left, right) => right.ms - left.ms);
}

function groupOf(name: string, url: string): string {
  if (name === '(idle)') return 'idle';
  if (name === '(garbage collector)') return 'garbage collection';
  const installed = /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(url)?.[1];
  if (installed !== undefined) return installed;
  // Its parser of HTTP is the only WebAssembly there is.
  if (url.startsWith('wasm:')) return 'undici';
  if (url.startsWith('node:')) return 'node';
  if (url.startsWith('file:')) return 'own code';
  return 'native';
}

function shortOf(url: string): string {
  const { pathname } = new URL(url);
  const installed = pathname.lastIndexOf('node_modules/');
  if (installed !== -1) return pathname.slice(installed + 'node_modules/'.length);
  const own = /\/dist\/(.*)$/.exec(pathname)?.[1];
  return own ?? (url.startsWith('node:') ? url : pathname.slice(pathname.lastIndexOf('/') + 1));
}

/** The groups and the top of the functions, as shares of the time and per request or event. */
export function costLines({ thread, costs }: Costs, units: number, unit: string, top: number): string[] {
  const busy = costs.filter(({ group }) => group !== 'idle');
  const total = busy.reduce((sum, { ms }) => sum + ms, 0);
  const line = (ms: number, name: string) =>
    `  ${((100 * ms) / total).toFixed(1).padStart(5)} %  ${((ms * 1000) / units).toFixed(2).padStart(7)} us  ${name}`;
  const groups = new Map<string, number>();
  for (const { group, ms } of busy) groups.set(group, (groups.get(group) ?? 0) + ms);
  const sorted = [...groups].toSorted(([, left], [, right]) => right - left);
  return [
    `${thread}: ${(total / 1000).toFixed(2)} s, of which per ${unit}`,
    ...sorted.map(([name, ms]) => line(ms, name)),
    '',
    ...busy.slice(0, top).map(({ group, name, ms }) => line(ms, `${name}  [${group}]`)),
    '',
  ];
}
