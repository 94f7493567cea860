/**
 * Where the gateway spends its time in a lane of `npm run bench`: its groups of code and its dearest functions, by themselves,
 * without what they call. With the profiler on everything takes longer; the shares are what counts.
 *
 *     npm run build && node --import tsx bench/profile.ts [--lane json-1k] [--subject gateway] [--seconds 5] [--top 25]
 *
 * With `--keep <folder>` the profiles stay there, for a browser's developer tools.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { machine } from './processes.js';
import { wholeNumber } from './suite/arguments.js';
import { killChildren } from './suite/children.js';
import { type Load, loadLanes } from './suite/lanes.js';
import { startClosedLoop } from './suite/load.js';
import { divideCores } from './suite/machine.js';
import { CONNECTIONS, expectedOf, questionFor } from './suite/measure.js';
import { startMock } from './suite/mock.js';
import { costLines, readProfiles } from './suite/profiles.js';
import { requestFor } from './suite/requests.js';
import { startSubject } from './suite/subjects.js';

const { values } = parseArgs({
  options: {
    lane: { type: 'string', default: 'json-1k' },
    subject: { type: 'string', default: 'gateway' },
    seconds: { type: 'string', default: '5' },
    top: { type: 'string', default: '25' },
    keep: { type: 'string' },
  },
});
const WARM_UP_MS = 3000;
/** Fine enough for a request of 50 us when there are thousands of them. */
const INTERVAL_US = 250;
const subjects = ['floor', 'gateway', 'gateway-all', 'gateway-off'] as const;

const seconds = wholeNumber('--seconds', values.seconds, 120);
const top = wholeNumber('--top', values.top, 500);
const lane = loadLanes.get(values.lane);
const name = subjects.find((each) => each === values.subject);
if (lane === undefined) throw new Error(`--lane must be one of ${[...loadLanes.keys()].join(', ')}`);
if (name === undefined) throw new Error(`--subject must be one of ${subjects.join(', ')}`);

async function profile(
  { script, bytes, route, units, unit }: Load,
  subjectName: (typeof subjects)[number],
): Promise<void> {
  const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'llm-gateway-profile-'));
  const nodeOptions = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${INTERVAL_US}`];
  console.log(machine());
  const prefix = divideCores();
  const mock = await startMock();
  const subject = await startSubject(subjectName, { mockPort: mock.port, prefix, nodeOptions });
  const question = questionFor(subject, script, bytes, route);
  const loop = startClosedLoop({
    port: subject.port,
    connections: CONNECTIONS,
    request: requestFor(subject, question),
    expected: await expectedOf(subject, question),
  });
  await pause(WARM_UP_MS);
  const look = () => ({
    at: Number(process.hrtime.bigint() / 1000n),
    answers: loop.answers,
    threads: subject.child?.meter.threads() ?? new Map<string, number>(),
  });
  const before = look();
  await pause(seconds * 1000);
  const after = look();
  await loop.stop();
  // The profiles are written when the process ends.
  await subject.stop();
  await mock.close();
  const done = (after.answers - before.answers) * units;
  console.log(`${subjectName}, ${values.lane}: ${done} ${unit}s in ${seconds} s`);
  console.log(`processor time for each ${unit}, by thread, as the operating system counts it:`);
  for (const [index, [thread, cpu]] of [...after.threads].entries()) {
    const us = ((cpu - (before.threads.get(thread) ?? 0)) * 1e6) / done;
    if (us >= 0.01)
      console.log(`  ${us.toFixed(2).padStart(8)} us  ${index === 0 ? 'event loop' : `thread ${thread}`}`);
  }
  console.log();
  for (const costs of readProfiles(folder, before.at, after.at)) {
    console.log(costLines(costs, done, unit, top).join('\n'));
  }
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killChildren();
    process.exit(130);
  });
}
try {
  await profile(lane, name);
  process.exit();
} catch (error) {
  killChildren();
  throw error;
}
