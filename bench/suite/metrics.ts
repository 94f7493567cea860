import type { SubjectName } from './subject.js';

/** What can be measured of a subject in a round. Absent: it was not, in this lane. */
export interface Metrics {
  /** Processor time for each request, or each event of a stream. Microseconds. */
  cpu?: number;
  /** `cpu` over the floor's in the same round. */
  cpuRatio?: number;
  /** Requests, or events, a second, of as many as it can take. */
  rate?: number;
  rateRatio?: number;
  /** Requests a second that were sent, where that is not the most it can take. */
  offered?: number;
  /** The share of its core that the process used, and the share that upstream and clients used of theirs. 0 to 1. */
  core?: number;
  clients?: number;
  /** At a fixed rate, from when a request was due. Milliseconds; `added` is what is above `direct` in the same round. */
  p50?: number;
  p99?: number;
  addedP50?: number;
  addedP99?: number;
  /** To the first content of a stream. */
  firstP50?: number;
  firstP99?: number;
  addedFirstP50?: number;
  addedFirstP99?: number;
  /** The share of events that came within an interval of when they were due. 0 to 1. */
  onTime?: number;
  /** The longest wait for the next event of a stream. Milliseconds. */
  stall?: number;
  /** Resident memory. Bytes. */
  peak?: number;
  perStream?: number;
  idle?: number;
  /** From starting the process to its first answer. Milliseconds. */
  start?: number;
  /** Of the event loop. Milliseconds. */
  delayP99?: number;
}

export type MetricName = keyof Metrics;

/** All rounds of a lane, by subject. */
export interface LaneResult {
  readonly name: string;
  readonly title: string;
  /** What `cpu` and `rate` count. */
  readonly unit: 'request' | 'event';
  readonly rows: readonly Row[];
}

export interface Row {
  readonly subject: SubjectName;
  readonly rounds: readonly Metrics[];
  /** Of each figure by itself. */
  readonly median: Metrics;
}

const over = { cpuRatio: 'cpu', rateRatio: 'rate' } as const;
const above = {
  addedP50: 'p50',
  addedP99: 'p99',
  addedFirstP50: 'firstP50',
  addedFirstP99: 'firstP99',
} as const;

/** Adds to the figures of a round what follows from comparing them with those of others in the same round. */
export function compare(round: ReadonlyMap<SubjectName, Metrics>): Map<SubjectName, Metrics> {
  const floor = round.get('floor') ?? {};
  const direct = round.get('direct') ?? {};
  return new Map([...round].map(([name, metrics]) => [name, { ...metrics, ...comparisons(name, metrics) }]));

  function comparisons(name: SubjectName, metrics: Metrics): Metrics {
    const found: Metrics = {};
    if (name === 'direct') return found;
    for (const [ratio, of] of entries(over)) {
      const [mine, theirs] = [metrics[of], floor[of]];
      if (mine !== undefined && theirs !== undefined) found[ratio] = mine / theirs;
    }
    for (const [added, of] of entries(above)) {
      const [mine, theirs] = [metrics[of], direct[of]];
      if (mine !== undefined && theirs !== undefined) found[added] = mine - theirs;
    }
    return found;
  }
}

export function rowOf(subject: SubjectName, rounds: readonly Metrics[]): Row {
  const names = new Set(rounds.flatMap((round) => entries(round).map(([name]) => name)));
  const of: Metrics = {};
  for (const name of names) {
    of[name] = median(rounds.map((round) => round[name]).filter((value) => value !== undefined));
  }
  return { subject, rounds, median: of };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

function entries<T extends object>(record: T): [keyof T, NonNullable<T[keyof T]>][] {
  return Object.entries(record) as [keyof T, NonNullable<T[keyof T]>][];
}
