import { eventCount, type Script } from './answers.js';
import type { RouteName } from './configuration.js';
import { type Context, latencies, questionFor, saturate } from './measure.js';
import { measurePaced } from './measure-paced.js';
import { measureWithStats } from './measure-stats.js';
import type { Metrics } from './metrics.js';
import type { Subject, SubjectName } from './subject.js';

/** One kind of load, and who is put under it. */
export type Lane = LoadLane | StartLane;

interface Described {
  readonly name: string;
  readonly title: string;
  readonly unit: 'request' | 'event';
  readonly rounds: 'rounds' | 'fewRounds';
  readonly subjects: readonly SubjectName[];
}

/** The requests of a lane that sends as many as can be taken. */
export interface Load {
  readonly script: Script;
  /** Of the request's body. */
  readonly bytes: number;
  readonly route: RouteName;
  /** What is in an answer: 1, or its events. */
  readonly units: number;
  readonly unit: Described['unit'];
}

export interface LoadLane extends Described {
  /** Lanes of a group share their processes, which are warm then. */
  readonly group: 'json' | 'streams' | 'paced';
  readonly load?: Load;
  measure(subject: Subject, context: Context): Promise<Metrics>;
}

/** Has processes of its own. */
interface StartLane extends Described {
  readonly group: 'start';
}

const SMALL = 600;
const KB = 1024;

interface JsonLane {
  readonly name: string;
  readonly title: string;
  readonly requestBytes?: number;
  readonly answerBytes?: number;
  readonly route?: RouteName;
  readonly subjects?: readonly SubjectName[];
}

/** Whole answers: as many as it can take, and then at a modest rate. */
function json({ requestBytes = KB, answerBytes = SMALL, route = 'default', ...lane }: JsonLane): LoadLane {
  const subjects = lane.subjects ?? ['direct', 'floor', 'gateway', 'portkey'];
  const script = { kind: 'json', size: answerBytes } as const;
  return {
    name: lane.name,
    title: lane.title,
    group: 'json',
    unit: 'request',
    rounds: 'rounds',
    subjects,
    load: { script, bytes: requestBytes, route, units: 1, unit: 'request' },
    async measure(subject, context) {
      const question = questionFor(subject, script, requestBytes, route);
      // The provider by itself is there to be subtracted, and shows once what upstream and clients can do.
      const alone = subject.name === 'direct' && requestBytes > KB;
      const most = alone ? {} : await saturate(subject, question, context);
      if (!subjects.includes('direct')) return most;
      return { ...most, ...(await latencies(subject, question, context)) };
    },
  };
}

function burst(name: string, title: string, script: Script): LoadLane {
  return {
    name,
    title,
    group: 'streams',
    unit: 'event',
    rounds: 'rounds',
    subjects: ['floor', 'gateway', 'portkey'],
    load: { script, bytes: KB, route: 'default', units: eventCount(script), unit: 'event' },
    measure: (subject, context) =>
      saturate(subject, questionFor(subject, script, KB), context, eventCount(script)),
  };
}

function paced(name: string, streams: number, subjects: readonly SubjectName[]): LoadLane {
  const probe = subjects.includes('direct') ? 'first content' : 'none';
  return {
    name,
    title: `${streams} streams of 20 events a second at once`,
    group: 'paced',
    unit: 'event',
    rounds: 'fewRounds',
    subjects,
    measure: (subject, context) => measurePaced(subject, streams, probe, context),
  };
}

const alone: readonly SubjectName[] = ['floor', 'gateway'];

export const lanes: readonly Lane[] = [
  json({
    name: 'json-1k',
    title: 'requests of 1 kB, answers of 600 B',
    subjects: ['direct', 'floor', 'gateway', 'gateway-all', 'gateway-off', 'portkey'],
  }),
  json({ name: 'json-answer-10k', title: 'requests of 1 kB, answers of 10 kB', answerBytes: 10 * KB }),
  json({ name: 'json-10k', title: 'requests of 10 kB, answers of 600 B', requestBytes: 10 * KB }),
  json({ name: 'json-100k', title: 'requests of 100 kB, answers of 600 B', requestBytes: 100 * KB }),
  json({
    name: 'failover',
    title: 'the first target answers 503 to each request, the second answers',
    route: 'failover',
    subjects: alone,
  }),
  json({
    name: 'cooldown',
    title: 'the first target answered 429 and is passed over, the second answers',
    route: 'cooldown',
    subjects: alone,
  }),
  json({
    name: 'queue',
    title: '64 at once for a provider that is asked 8 things at once, the others wait',
    route: 'queued',
    subjects: alone,
  }),
  {
    name: 'stats',
    title: 'at 80 % of saturation, while the statistics are read once a second',
    group: 'json',
    unit: 'request',
    rounds: 'fewRounds',
    subjects: alone,
    measure: measureWithStats,
  },
  burst('burst-100', 'streams of 100 events in one burst', { kind: 'burst', size: 100 }),
  burst('burst-1000', 'streams of 1,000 events in one burst', { kind: 'burst', size: 1000 }),
  burst('burst-1000-nulls', 'the same, from a provider that puts a null usage into each event', {
    kind: 'nulls',
    size: 1000,
  }),
  burst('burst-1000-chunks', 'the same, each event a chunk of its own', { kind: 'chunks', size: 1000 }),
  paced('paced-100', 100, ['direct', 'floor', 'gateway', 'portkey']),
  paced('paced-1000', 1000, ['floor', 'gateway', 'portkey']),
  {
    name: 'start',
    title: 'from the start of the process to its first answer',
    group: 'start',
    unit: 'request',
    rounds: 'rounds',
    subjects: alone,
  },
];

/** What can be profiled, by the name of its lane. */
export const loadLanes: ReadonlyMap<string, Load> = new Map(
  lanes.flatMap((lane) => ('load' in lane && lane.load !== undefined ? [[lane.name, lane.load]] : [])),
);
