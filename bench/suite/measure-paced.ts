import { setTimeout as pause } from 'node:timers/promises';
import { openLoop } from './load.js';
import { type Context, expectedOf, questionFor } from './measure.js';
import type { Metrics } from './metrics.js';
import { PACE_MS } from './mock.js';
import { pacedMs, runPaced } from './paced.js';
import { requestFor } from './requests.js';
import type { Subject } from './subject.js';

const REQUEST_BYTES = 1024;
const SPREAD_MS = 1000;
/** The streams need a moment to be all there. */
const SETTLE_MS = 150;
/** Short streams beside the others: how long their first content takes. */
const PROBES_PER_SECOND = 100;
const PROBE_CONNECTIONS = 32;

/** What the process held before its first streams. */
const idle = new WeakMap<Subject, number>();

/** Many streams at once, at the pace of a model. `probe` asks for short ones beside them, in the second half. */
export async function measurePaced(
  subject: Subject,
  streams: number,
  probe: 'first content' | 'none',
  { mock, pace }: Context,
): Promise<Metrics> {
  const { child } = subject;
  const meter = child?.meter;
  const before = idle.get(subject) ?? meter?.rss() ?? 0;
  idle.set(subject, before);
  meter?.restartPeak();
  const question = questionFor(subject, { kind: 'paced', size: pace.pacedEvents }, REQUEST_BYTES);
  const running = runPaced({ mock, destination: subject, question, streams, spreadMs: SPREAD_MS });
  // Until all is over, nobody else is there to hear of it.
  running.catch(() => {});
  await pause(SPREAD_MS + SETTLE_MS);

  // All streams are there until the first one ends.
  const together = pacedMs(question.script, 0) - SPREAD_MS - 2 * SETTLE_MS;
  const share = probe === 'none' ? 1 : 0.5;
  await child?.restartDelay();
  const cpuBefore = meter?.cpu() ?? 0;
  const startedAt = performance.now();
  await pause(together * share);
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = (meter?.cpu() ?? 0) - cpuBefore;
  const delay = await child?.delay();
  const first = probe === 'none' ? {} : await firstContents(subject, together * (1 - share));
  const peak = meter?.peak() ?? 0;

  const { onTime, largestStall } = await running;
  return {
    onTime,
    stall: largestStall,
    ...first,
    ...(child !== null && {
      cpu: (cpu * 1e6) / ((streams * seconds * 1000) / PACE_MS),
      core: cpu / seconds,
      peak,
      perStream: (peak - before) / streams,
    }),
    ...(delay !== undefined && { delayP99: delay.p99 }),
  };
}

async function firstContents(subject: Subject, ms: number): Promise<Metrics> {
  const question = questionFor(subject, { kind: 'burst', size: 1 }, REQUEST_BYTES);
  const measured = await openLoop({
    port: subject.port,
    request: requestFor(subject, question),
    expected: await expectedOf(subject, question),
    perSecond: PROBES_PER_SECOND,
    ms,
    connections: PROBE_CONNECTIONS,
    until: 'first byte',
  });
  return { firstP50: measured.quantile(0.5), firstP99: measured.quantile(0.99) };
}
