import { setTimeout as pause } from 'node:timers/promises';
import type { Lane, LoadLane } from './lanes.js';
import { startClosedLoop } from './load.js';
import { CONNECTIONS, type Context, expectedOf, type Pace, questionFor } from './measure.js';
import { measureStart } from './measure-start.js';
import { compare, type LaneResult, type Metrics, rowOf } from './metrics.js';
import { requestFor } from './requests.js';
import type { Subject, SubjectName, Surroundings } from './subject.js';
import { startSubject } from './subjects.js';

export interface Run {
  readonly lanes: readonly Lane[];
  /** Who takes part; the lanes say what in. */
  readonly subjects: ReadonlySet<SubjectName>;
  readonly context: Context;
  readonly surroundings: Surroundings;
  readonly rounds: number | null;
  /** Told what is being measured. */
  progress(line: string): void;
}

const groups = ['json', 'streams', 'paced', 'start'] as const;

/** What was measured, and what kept others from being measured: a wrong answer, with the lane's name. */
export interface Outcome {
  readonly results: readonly LaneResult[];
  readonly failures: readonly string[];
}

/** Measures all lanes. One that fails has no figures, and the others theirs. */
export async function run({ lanes, ...run }: Run): Promise<Outcome> {
  const results: LaneResult[] = [];
  const failures: string[] = [];
  for (const group of groups) {
    const members = lanes.filter((lane) => lane.group === group);
    const names = new Set(members.flatMap((lane) => subjectsOf(lane, run)));
    const started = group === 'start' ? [] : await start([...names], group, run);
    try {
      for (const lane of members) {
        try {
          results.push(await measureLane(lane, started, run));
        } catch (error) {
          failures.push(error instanceof Error ? error.message : String(error));
        }
      }
    } finally {
      for (const subject of started) await subject.stop();
    }
  }
  return { results, failures };
}

type Circumstances = Omit<Run, 'lanes'>;

function subjectsOf(lane: Lane, { subjects }: Circumstances): SubjectName[] {
  return lane.subjects.filter((name) => subjects.has(name));
}

/** Starts the subjects of a group and lets each work until V8 has optimised it. */
async function start(
  names: readonly SubjectName[],
  group: LoadLane['group'],
  { context, surroundings, progress }: Circumstances,
): Promise<Subject[]> {
  const started: Subject[] = [];
  try {
    for (const name of names) {
      progress(`warming up ${name}`);
      // The memory of a stream is looked at without garbage.
      const nodeOptions = group === 'paced' ? ['--expose-gc'] : [];
      const subject = await startSubject(name, { ...surroundings, nodeOptions });
      started.push(subject);
      if (subject.child === null) continue;
      await warmUp(subject, group, context.pace);
    }
    return started;
  } catch (error) {
    for (const subject of started) await subject.stop();
    throw error;
  }
}

async function warmUp(subject: Subject, group: LoadLane['group'], { warmUp }: Pace): Promise<void> {
  const script =
    group === 'json' ? ({ kind: 'json', size: 600 } as const) : ({ kind: 'burst', size: 100 } as const);
  const question = questionFor(subject, script, 1024);
  const loop = startClosedLoop({
    port: subject.port,
    connections: CONNECTIONS,
    request: requestFor(subject, question),
    expected: await expectedOf(subject, question),
  });
  await pause(warmUp);
  await loop.stop();
}

async function measureLane(lane: Lane, started: readonly Subject[], run: Circumstances): Promise<LaneResult> {
  const names = subjectsOf(lane, run);
  const rounds = run.rounds ?? run.context.pace[lane.rounds];
  const measured: Map<SubjectName, Metrics>[] = [];
  for (let round = 1; round <= rounds; round++) {
    const figures = new Map<SubjectName, Metrics>();
    for (const name of shuffled(names)) {
      run.progress(`${lane.name} ${round}/${rounds} ${name}`);
      try {
        figures.set(name, await measureSubject(lane, name, started, run));
      } catch (error) {
        throw new Error(`${lane.name}, ${name}: ${error instanceof Error ? error.message : error}`);
      }
    }
    measured.push(compare(figures));
  }
  return {
    name: lane.name,
    title: lane.title,
    unit: lane.unit,
    rows: names.map((name) =>
      rowOf(
        name,
        measured.map((figures) => figures.get(name) ?? {}),
      ),
    ),
  };
}

function measureSubject(
  lane: Lane,
  name: SubjectName,
  started: readonly Subject[],
  { context, surroundings }: Circumstances,
): Promise<Metrics> {
  if (lane.group === 'start') return measureStart(name, surroundings);
  const subject = started.find((each) => each.name === name);
  if (subject === undefined) throw new Error('it was not started');
  return lane.measure(subject, context);
}

/** In an order of chance, so that no subject always has what another left behind. */
function shuffled<T>(values: readonly T[]): T[] {
  const order = values.map((value) => ({ value, at: Math.random() }));
  return order.toSorted((left, right) => left.at - right.at).map(({ value }) => value);
}
