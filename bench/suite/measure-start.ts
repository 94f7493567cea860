import { setTimeout as pause } from 'node:timers/promises';
import { askOnce } from './load.js';
import { questionFor } from './measure.js';
import type { Metrics } from './metrics.js';
import { requestFor } from './requests.js';
import type { SubjectName, Surroundings } from './subject.js';
import { startSubject } from './subjects.js';

/** Until what a start leaves behind is collected. Milliseconds. */
const REST_MS = 1000;

/** Starts a process, asks it once, and looks what it holds while it has nothing to do. */
export async function measureStart(name: SubjectName, surroundings: Surroundings): Promise<Metrics> {
  const startedAt = performance.now();
  const subject = await startSubject(name, surroundings);
  try {
    const question = questionFor(subject, { kind: 'json', size: 600 }, 1024);
    const { status, text } = await askOnce(subject.port, requestFor(subject, question));
    const start = performance.now() - startedAt;
    if (status !== 200) throw new Error(`${name} answered ${status}: ${text.slice(0, 300)}`);
    await pause(REST_MS);
    return { start, ...(subject.child !== null && { idle: subject.child.meter.rss() }) };
  } finally {
    await subject.stop();
  }
}
