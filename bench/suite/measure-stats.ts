import { OPS_KEY } from './configuration.js';
import { askOnce, openLoop } from './load.js';
import { type Context, expectedOf, questionFor, saturate } from './measure.js';
import type { Metrics } from './metrics.js';
import { getRequest, requestFor } from './requests.js';
import type { Subject } from './subject.js';

const SHARE = 0.8;
const EVERY_MS = 1000;
const CONNECTIONS = 128;
const REPORT = '/stats?since=24h&group_by=model&interval=5m';

/** Looks for the most it can take and gives it a part of that, while somebody watches the statistics. */
export async function measureWithStats(subject: Subject, context: Context): Promise<Metrics> {
  const question = questionFor(subject, { kind: 'json', size: 600 }, 1024);
  const { rate = 0 } = await saturate(subject, question, context);
  const { child, port } = subject;
  const reports: Promise<void>[] = [];
  const read = async () => {
    const { status, text } = await askOnce(port, getRequest(operator, REPORT));
    if (status !== 200) throw new Error(`the statistics answered ${status}: ${text.slice(0, 300)}`);
  };
  const operator = { ...subject, headers: [`authorization: Bearer ${OPS_KEY}`] };
  const reading = subject.name.startsWith('gateway');
  const timer = setInterval(() => {
    if (!reading) return;
    const report = read();
    // Heard of below, when the load is over.
    report.catch(() => {});
    reports.push(report);
  }, EVERY_MS);
  try {
    const request = requestFor(subject, question);
    const expected = await expectedOf(subject, question);
    await child?.restartDelay();
    const before = { cpu: child?.meter.cpu() ?? 0, at: performance.now() };
    const measured = await openLoop({
      port,
      request,
      expected,
      perSecond: rate * SHARE,
      ms: context.pace.busy,
      connections: CONNECTIONS,
      until: 'end',
    });
    const seconds = (performance.now() - before.at) / 1000;
    const cpu = (child?.meter.cpu() ?? 0) - before.cpu;
    const delay = await child?.delay();
    await Promise.all(reports);
    return {
      offered: rate * SHARE,
      core: cpu / seconds,
      p50: measured.quantile(0.5),
      p99: measured.quantile(0.99),
      ...(delay !== undefined && { delayP99: delay.p99 }),
    };
  } finally {
    clearInterval(timer);
  }
}
