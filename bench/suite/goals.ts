import type { LaneResult, MetricName } from './metrics.js';

/** What has to hold of the gateway: a figure and its bound. */
interface Goal {
  readonly lane: string;
  readonly metric: MetricName;
  readonly what: string;
  readonly bound: number;
  readonly is: 'at most' | 'at least';
  readonly unit: string;
}

const goal = (
  lane: string,
  metric: MetricName,
  what: string,
  is: Goal['is'],
  bound: number,
  unit: string,
): Goal => ({ lane, metric, what, is, bound, unit });

const goals: readonly Goal[] = [
  goal('json-1k', 'cpuRatio', 'CPU per request to the floor', 'at most', 1.25, 'x'),
  goal('json-1k', 'rateRatio', 'throughput to the floor', 'at least', 0.8, 'x'),
  goal('json-10k', 'rateRatio', 'throughput to the floor', 'at least', 0.9, 'x'),
  goal('json-100k', 'rateRatio', 'throughput to the floor', 'at least', 1.5, 'x'),
  goal('json-1k', 'addedP50', 'added latency at the median', 'at most', 0.3, 'ms'),
  goal('json-1k', 'addedP99', 'added latency at p99', 'at most', 3, 'ms'),
  goal('burst-100', 'cpuRatio', 'CPU per event to a raw pipe', 'at most', 1.45, 'x'),
  goal('burst-1000', 'cpuRatio', 'CPU per event to a raw pipe', 'at most', 1.45, 'x'),
  goal('paced-100', 'cpuRatio', 'CPU per event to a raw pipe', 'at most', 1.2, 'x'),
  goal('paced-100', 'addedFirstP50', 'first content added at the median', 'at most', 0.5, 'ms'),
  goal('paced-100', 'addedFirstP99', 'first content added at p99', 'at most', 4, 'ms'),
  goal('paced-1000', 'cpuRatio', 'CPU per event to a raw pipe', 'at most', 1.2, 'x'),
  goal('paced-1000', 'onTime', 'share of events on time', 'at least', 0.99, ''),
  goal('paced-1000', 'core', 'share of the core', 'at most', 0.65, ''),
  goal('paced-1000', 'perStream', 'memory for each stream', 'at most', 70_000, 'B'),
  goal('paced-1000', 'stall', 'longest wait for an event', 'at most', 500, 'ms'),
  goal('stats', 'delayP99', 'event-loop delay at p99', 'at most', 10, 'ms'),
  goal('start', 'start', 'first answer after the start', 'at most', 400, 'ms'),
  goal('start', 'idle', 'memory when idle', 'at most', 90e6, 'B'),
];

/** Against another gateway: how many times its CPU per request is ours. */
const factors: readonly { lane: string; atLeast: number }[] = [
  { lane: 'json-1k', atLeast: 15 },
  { lane: 'json-10k', atLeast: 15 },
  { lane: 'json-100k', atLeast: 10 },
];

/** A line for each goal whose lane was measured. */
export function goalLines(results: readonly LaneResult[]): string[] {
  const figure = (lane: string, subject: string, metric: MetricName): number | undefined =>
    results.find(({ name }) => name === lane)?.rows.find((row) => row.subject === subject)?.median[metric];
  const lines: string[] = [];
  for (const { lane, metric, what, is, bound, unit } of goals) {
    const value = figure(lane, 'gateway', metric);
    if (value !== undefined) lines.push(lineOf(lane, what, value, is, bound, unit));
  }
  for (const { lane, atLeast } of factors) {
    const [theirs, ours] = [figure(lane, 'portkey', 'cpu'), figure(lane, 'gateway', 'cpu')];
    if (theirs === undefined || ours === undefined) continue;
    lines.push(lineOf(lane, 'CPU per request of portkey to ours', theirs / ours, 'at least', atLeast, 'x'));
  }
  return lines;
}

function lineOf(
  lane: string,
  what: string,
  value: number,
  is: Goal['is'],
  bound: number,
  unit: string,
): string {
  const met = is === 'at most' ? value <= bound : value >= bound;
  const number = (of: number) =>
    `${of >= 1000 ? Math.round(of) : Number(of.toFixed(3))}${unit && ` ${unit}`}`;
  return `${met ? 'met   ' : 'MISSED'} ${lane}: ${what} ${number(value)}, ${is} ${number(bound)}`;
}
