import { setTimeout as pause } from 'node:timers/promises';
import { eventCount, type Script } from './answers.js';
import type { RouteName } from './configuration.js';
import { askOnce, type Expected, openLoop, startClosedLoop } from './load.js';
import type { Metrics } from './metrics.js';
import type { Mock } from './mock.js';
import { type Question, requestFor } from './requests.js';
import type { Subject } from './subject.js';

/** How long things are measured. Milliseconds. */
export interface Pace {
  readonly rounds: number;
  /** For lanes whose rounds take longer. */
  readonly fewRounds: number;
  readonly warmUp: number;
  /** Before each measurement. */
  readonly settle: number;
  readonly window: number;
  readonly latency: number;
  /** With the statistics read beside it. */
  readonly busy: number;
  /** Events of a paced stream. */
  readonly pacedEvents: number;
}

export interface Context {
  readonly mock: Mock;
  readonly pace: Pace;
}

export const CONNECTIONS = 64;
const OPEN_CONNECTIONS = 32;
const MODEST_RATE = 300;

/** The question of a lane as a subject understands it: only the gateway has routes. */
export function questionFor(
  subject: Subject,
  script: Script,
  bytes: number,
  route: RouteName = 'default',
): Question {
  return { model: subject.name.startsWith('gateway') ? route : 'bench', script, bytes };
}

/** Asks once and looks at the answer; every later one has to be as long. */
export async function expectedOf(subject: Subject, question: Question): Promise<Expected> {
  const { script } = question;
  const { status, text } = await askOnce(subject.port, requestFor(subject, question));
  const whole =
    script.kind === 'json'
      ? text.includes('"finish_reason":"stop"') && text.length >= script.size * 0.9
      : text.split('\n\n').length - 1 >= eventCount(script) && text.endsWith('data: [DONE]\n\n');
  if (status === 200 && whole) return { status, bytes: Buffer.byteLength(text) };
  throw new Error(`${subject.name} answered ${status}: ${text.slice(0, 500)} [${text.length} characters]`);
}

/** As many requests as it can take. `units` are in an answer: 1, or its events. */
export async function saturate(
  subject: Subject,
  question: Question,
  { pace }: Context,
  units = 1,
): Promise<Metrics> {
  const expected = await expectedOf(subject, question);
  const { port, child } = subject;
  const request = requestFor(subject, question);
  child?.meter.restartPeak();
  const loop = startClosedLoop({ port, connections: CONNECTIONS, request, expected });
  try {
    await pause(pace.settle);
    await child?.restartDelay();
    const look = () => ({
      answers: loop.answers,
      cpu: child?.meter.cpu() ?? Number.NaN,
      clients: process.cpuUsage(),
      at: performance.now(),
    });
    const before = look();
    await pause(pace.window);
    const after = look();
    const delay = await child?.delay();
    const seconds = (after.at - before.at) / 1000;
    const done = (after.answers - before.answers) * units;
    const clients = process.cpuUsage(before.clients);
    return {
      rate: done / seconds,
      clients: (clients.user + clients.system) / 1e6 / seconds,
      ...(child !== null && {
        cpu: ((after.cpu - before.cpu) * 1e6) / done,
        core: (after.cpu - before.cpu) / seconds,
        peak: child.meter.peak(),
      }),
      ...(delay !== undefined && { delayP99: delay.p99 }),
    };
  } finally {
    await loop.stop();
  }
}

/** How long answers take at a modest rate. */
export async function latencies(subject: Subject, question: Question, { pace }: Context): Promise<Metrics> {
  const measured = await openLoop({
    port: subject.port,
    request: requestFor(subject, question),
    expected: await expectedOf(subject, question),
    perSecond: MODEST_RATE,
    ms: pace.latency,
    connections: OPEN_CONNECTIONS,
    until: 'end',
  });
  return { p50: measured.quantile(0.5), p99: measured.quantile(0.99) };
}
