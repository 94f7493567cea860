/**
 * The gateway against bare Fastify and undici: `npm run bench -- --help` says what can be asked for, `docs/performance.md` what came
 * out and how it is measured. One core is the measured process's, the other is for upstream and clients, which are in this process.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { machine } from './processes.js';
import { type Options, parseOptions, UsageError } from './suite/arguments.js';
import { killChildren } from './suite/children.js';
import { goalLines } from './suite/goals.js';
import { lanes } from './suite/lanes.js';
import { divideCores } from './suite/machine.js';
import type { Pace } from './suite/measure.js';
import { startMock } from './suite/mock.js';
import { installPortkey } from './suite/portkey.js';
import { markdownOf, textOf } from './suite/report.js';
import { run } from './suite/runner.js';
import type { SubjectName } from './suite/subject.js';
import { cliPath } from './suite/subjects.js';

const fullPace: Pace = {
  rounds: 5,
  fewRounds: 3,
  warmUp: 2500,
  settle: 300,
  window: 1500,
  latency: 1500,
  busy: 4000,
  pacedEvents: 100,
};
const quickPace: Pace = {
  rounds: 1,
  fewRounds: 1,
  warmUp: 1100,
  settle: 100,
  window: 300,
  latency: 300,
  busy: 1200,
  pacedEvents: 50,
};
/** With other gateways and many rounds it may take long, but not for ever. */
const LONGEST_MS = 60 * 60_000;

async function main(options: Options): Promise<void> {
  if (!existsSync(cliPath)) throw new UsageError('dist/ is missing: run npm run build first');
  // Before, because a bound process sees one core only.
  const facts = [machine()];
  const prefix = divideCores();
  facts.push(
    prefix.length > 0 ? `measured processes on a core of their own: ${prefix.join(' ')}` : 'cores are shared',
  );
  const startedAt = performance.now();
  const subjects = new Set<SubjectName>(['direct', 'floor', 'gateway']);
  if (!options.quick) for (const name of ['gateway-all', 'gateway-off'] as const) subjects.add(name);
  if (options.portkey) addPortkey(subjects);

  console.log(`${facts.join('\n')}\n`);
  const mock = await startMock();
  const { results, failures } = await run({
    lanes: lanes.filter(({ name }) => options.lanes.includes(name)),
    subjects,
    context: { mock, pace: options.quick ? quickPace : fullPace },
    surroundings: { mockPort: mock.port, prefix, database: options.database },
    rounds: options.rounds,
    progress,
  });
  await mock.close();
  progress('');

  for (const result of results) console.log(options.markdown ? markdownOf(result) : textOf(result));
  for (const line of goalLines(results)) console.log(options.markdown ? `* ${line}` : line);
  console.log(
    `\n${((performance.now() - startedAt) / 1000).toFixed(0)} s, load ${loadavg()[0]?.toFixed(1)} at the end`,
  );
  if (options.json !== null)
    writeFileSync(options.json, JSON.stringify({ facts, options, results, failures }, null, 1));
  for (const failure of failures) console.error(failure);
  if (failures.length > 0) process.exitCode = 1;
}

function addPortkey(subjects: Set<SubjectName>): void {
  progress('installing @portkey-ai/gateway');
  const problem = installPortkey();
  if (problem === null) subjects.add('portkey');
  else console.error(`@portkey-ai/gateway could not be installed, and is left out: ${problem}`);
}

/** One line that changes on a terminal, a line each elsewhere; never in what is printed as the result. */
function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`);
  else if (line !== '') process.stderr.write(`${line}\n`);
}

function fail(error: unknown): never {
  killChildren();
  console.error(error instanceof UsageError ? error.message : error);
  process.exit(error instanceof UsageError ? 2 : 1);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killChildren();
    process.exit(130);
  });
}
setTimeout(() => fail(new Error(`not done after ${LONGEST_MS / 60_000} minutes`)), LONGEST_MS).unref();

try {
  const options = parseOptions(process.argv.slice(2), new Map(lanes.map(({ name, title }) => [name, title])));
  if (typeof options === 'string') console.log(options);
  else await main(options);
  process.exit();
} catch (error) {
  fail(error);
}
