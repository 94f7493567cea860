/**
 * Mixed load for a while: whole answers, streams, failures, clients that leave. Fails (exit code 1) when the gateway's memory keeps
 * growing, when sockets or handles are left at the end that were not there at the beginning, or when an answer was wrong.
 *
 *     npm run build && node --import tsx bench/soak.ts [--minutes 20 | --seconds 20] [--clients 40]
 *
 * Linux only. In 20 minutes the database grows to some hundred megabytes, in a folder for temporary files.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { machine } from './processes.js';
import { startActors } from './suite/actors.js';
import { wholeNumber } from './suite/arguments.js';
import { type Child, killChildren } from './suite/children.js';
import { divideCores } from './suite/machine.js';
import { startMock } from './suite/mock.js';
import { slopeOf } from './suite/slope.js';
import { startSubject } from './suite/subjects.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, seconds: { type: 'string' }, clients: { type: 'string' } },
});
const seconds =
  values.seconds === undefined
    ? wholeNumber('--minutes', values.minutes ?? '20', 24 * 60) * 60
    : wholeNumber('--seconds', values.seconds, 86_400);
const clients = wholeNumber('--clients', values.clients ?? '40', 1000);

const MB = 1e6;
const SAMPLES = 60;
const SHORTEST_SAMPLE_MS = 250;
/** Code is compiled, buffers and maps that are bounded fill up: the first part says nothing of what comes after. */
const IGNORED_SHARE = 1 / 3;
/** What memory may have grown by over the rest. A leak of 50 bytes a request is as much after 4 minutes. */
const HEAP_GROWTH = 4 * MB;
const RSS_GROWTH = 32 * MB;
/** Growth below so many standard errors is chance. */
const SIGNIFICANT = 3;
/** Connections to the provider are kept for some seconds; what is still there after this is there for good. */
const REST_MS = 20_000;
const HANDLES_SPARE = 3;

interface Handles {
  readonly descriptors: number;
  readonly sockets: number;
  readonly timers: number;
}

async function handlesOf({ memory, meter }: Child): Promise<Handles> {
  const { resources } = await memory();
  const count = (pattern: RegExp) => resources.filter((name) => pattern.test(name)).length;
  return { descriptors: meter.handles(), sockets: count(/^TCPSocket/), timers: count(/^Timeout/) };
}

/** Waits until nothing but `most` is open, or it takes too long. */
async function rest(child: Child, most: Handles | null): Promise<Handles> {
  const deadline = performance.now() + REST_MS;
  for (;;) {
    const handles = await handlesOf(child);
    const enough = most === null ? handles.sockets === 0 : exceeded(handles, most).length === 0;
    if (enough || performance.now() > deadline) return handles;
    await pause(500);
  }
}

function exceeded(handles: Handles, most: Handles): string[] {
  const names = ['descriptors', 'sockets', 'timers'] as const;
  return names
    .filter((name) => handles[name] > most[name] + HANDLES_SPARE)
    .map((name) => `${name}: ${handles[name]} at the end, ${most[name]} before`);
}

function growth(name: string, points: readonly (readonly [number, number])[], allowed: number): string[] {
  const later = points.slice(Math.floor(points.length * IGNORED_SHARE));
  const { slope, error } = slopeOf(later);
  const span = (later.at(-1)?.[0] ?? 0) - (later[0]?.[0] ?? 0);
  const mb = (bytes: number) => (bytes / MB).toFixed(2);
  const [first = 0, last = 0] = [later[0]?.[1], later.at(-1)?.[1]];
  console.log(
    `${name.padEnd(5)} ${mb(first)} MB to ${mb(last)} MB, ${mb(slope * 60)} ± ${mb(error * 60)} MB a minute`,
  );
  const grows = slope * span > allowed && slope > SIGNIFICANT * error;
  return grows ? [`${name} grew by ${mb(slope * span)} MB in ${span.toFixed(0)} s`] : [];
}

async function soak(): Promise<string[]> {
  console.log(machine());
  const prefix = divideCores();
  const mock = await startMock();
  const subject = await startSubject('gateway', {
    mockPort: mock.port,
    prefix,
    nodeOptions: ['--expose-gc'],
  });
  const { child } = subject;
  if (child === null) throw new Error('the gateway has no process');

  // What is opened once and kept is there after the first requests.
  const first = startActors(subject, clients);
  await pause(Math.min(10, seconds / 5) * 1000);
  await first.stop();
  const before = await rest(child, null);

  const heap: [number, number][] = [];
  const rss: [number, number][] = [];
  const actors = startActors(subject, clients);
  const startedAt = performance.now();
  const sampleMs = Math.max(SHORTEST_SAMPLE_MS, (seconds * 1000) / SAMPLES);
  for (let now = 0; now < seconds; ) {
    await pause(sampleMs);
    now = (performance.now() - startedAt) / 1000;
    const memory = await child.memory();
    heap.push([now, memory.heapUsed]);
    rss.push([now, memory.rss]);
  }
  await actors.stop();
  const after = await rest(child, before);

  const total = [...actors.counts.values()].reduce((sum, count) => sum + count, 0);
  console.log(
    `${total} requests in ${seconds} s: ${[...actors.counts].map((each) => each.join(' ')).join(', ')}`,
  );
  const problems = [
    ...growth('heap', heap, HEAP_GROWTH),
    ...growth('RSS', rss, RSS_GROWTH),
    ...exceeded(after, before),
  ];
  console.log(`before ${JSON.stringify(before)}\nafter  ${JSON.stringify(after)}`);
  await subject.stop();
  await mock.close();
  return problems;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killChildren();
    process.exit(130);
  });
}
try {
  const problems = await soak();
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? 'no growth, nothing left open' : 'FAILED');
  process.exit(problems.length === 0 ? 0 : 1);
} catch (error) {
  killChildren();
  console.error(error);
  process.exit(1);
}
