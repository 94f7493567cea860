import { setTimeout as pause } from 'node:timers/promises';
import { openLoop } from './load.js';
import { type Context, expectedOf, questionFor } from './measure.js';
import type { Metrics } from './metrics.js';
import { pacedMs, startPaced } from './paced.js';
import { requestFor } from './requests.js';
import type { Subject } from './subject.js';

const REQUEST_BYTES = 1024;
const SPREAD_MS = 1000;
/** The streams need a moment to be all there. */
const SETTLE_MS = 150;
/** Short streams beside the others: how long their first content takes. */
const PROBES_PER_SECOND = 100;
const PROBE_CONNECTIONS = 32;

/** From how many on the memory of one can be told from what else comes and goes. */
const MANY = 500;

/** Many streams at once, at the pace of a model. `probe` asks for short ones beside them, in the second half. */
export async function measurePaced(
  subject: Subject,
  streams: number,
  probe: 'first content' | 'none',
  { mock, pace }: Context,
): Promise<Metrics> {
  const { child } = subject;
  const meter = child?.meter;
  const heldBefore = await held(subject, streams);
  meter?.restartPeak();
  const question = questionFor(subject, { kind: 'paced', size: pace.pacedEvents }, REQUEST_BYTES);
  const running = startPaced({ mock, destination: subject, question, streams, spreadMs: SPREAD_MS });
  // Until all is over, nobody else is there to hear of it.
  running.done.catch(() => {});
  await pause(SPREAD_MS + SETTLE_MS);
  const heldThen = await held(subject, streams);

  // All streams are there until the first one ends.
  const together = pacedMs(question.script, 0) - SPREAD_MS - 2 * SETTLE_MS;
  const share = probe === 'none' ? 1 : 0.5;
  await child?.restartDelay();
  const look = () => ({ cpu: meter?.cpu() ?? 0, events: running.events(), at: performance.now() });
  const before = look();
  await pause(together * share);
  const after = look();
  const delay = await child?.delay();
  const first = probe === 'none' ? {} : await firstContents(subject, together * (1 - share));
  const peak = meter?.peak() ?? 0;

  const { onTime, largestStall } = await running.done;
  const cpu = after.cpu - before.cpu;
  return {
    onTime,
    stall: largestStall,
    ...first,
    ...(child !== null && {
      cpu: (cpu * 1e6) / (after.events - before.events),
      core: (cpu * 1000) / (after.at - before.at),
      peak,
    }),
    ...(heldThen !== null && { perStream: (heldThen - (heldBefore ?? 0)) / streams }),
    ...(delay !== undefined && { delayP99: delay.p99 }),
  };
}

/**
 * What is alive, on the heap and in buffers outside it. Resident memory would not do: what the warm-up has left of it is
 * used again. Bytes; null when it would say nothing.
 */
async function held({ child }: Subject, streams: number): Promise<number | null> {
  if (child === null || streams < MANY) return null;
  const { heapUsed, external } = await child.memory();
  return heapUsed + external;
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
