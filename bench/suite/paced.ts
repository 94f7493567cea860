import { setTimeout as pause } from 'node:timers/promises';
import { eventCount, type Script } from './answers.js';
import { openConnection } from './client.js';
import { createProblems, until } from './load.js';
import { type Mock, PACE_MS } from './mock.js';
import { type Destination, type Question, requestFor } from './requests.js';

/** What became of many streams at once. */
export interface PacedResult {
  /** Of all events, those that came within one interval of when they were due. 0 to 1. */
  readonly onTime: number;
  /** The longest that a client waited for the next event of a stream. Milliseconds. */
  readonly largestStall: number;
}

/** The beginning is two events, which come together. */
const FIRST_EVENTS = 2;
const LF = 10;
/** Ids are never used twice, by whichever measurement. */
let lastId = 0;

export interface PacedLoad {
  readonly mock: Mock;
  readonly destination: Destination;
  readonly question: Question;
  readonly streams: number;
  /** The streams begin one after another over this time. Milliseconds. */
  readonly spreadMs: number;
}

/** How long such streams take together, in milliseconds. */
export function pacedMs({ size }: Script, spreadMs: number): number {
  return spreadMs + (size - 1) * PACE_MS;
}

interface Figures {
  events: number;
  onTime: number;
  stall: number;
}

export interface PacedRun {
  /** Events that have come so far. */
  events(): number;
  /** Rejects when a stream was not complete. */
  readonly done: Promise<PacedResult>;
}

/** Opens the streams and reads each to its end. */
export function startPaced(load: PacedLoad): PacedRun {
  const figures: Figures = { events: 0, onTime: 0, stall: 0 };
  return { events: () => figures.events, done: runPaced(load, figures) };
}

async function runPaced(load: PacedLoad, figures: Figures): Promise<PacedResult> {
  const { mock, destination, question, streams, spreadMs } = load;
  const problems = createProblems();
  const connections = Array.from({ length: streams }, () => openConnection(destination.port));
  let open = streams;

  const startedAt = performance.now();
  for (const [index, connection] of connections.entries()) {
    const wait = startedAt + (index * spreadMs) / streams - performance.now();
    if (wait > 1) await pause(wait);
    const id = ++lastId;
    const stream = createCounter(question.script.size, {
      onEvent(number, now) {
        figures.events++;
        const due = (mock.startOf(id) ?? Number.NaN) + number * PACE_MS;
        if (now - due <= PACE_MS) figures.onTime++;
      },
      onGap(ms) {
        figures.stall = Math.max(figures.stall, ms);
      },
    });
    connection.send(requestFor(destination, question, id), {
      onBody: stream.read,
      onEnd(status) {
        open--;
        if (status !== 200 || stream.count() !== eventCount(question.script)) {
          problems.failed(new Error(`a stream ended with status ${status} after ${stream.count()} events`));
        }
      },
      onFailure(error) {
        open--;
        problems.failed(error);
      },
    });
  }
  await pause(Math.max(0, startedAt + pacedMs(question.script, spreadMs) - performance.now()));
  await until(() => open === 0);
  for (const connection of connections) connection.destroy();
  problems.check(streams);
  const all = streams * question.script.size;
  return { onTime: figures.onTime / all, largestStall: figures.stall };
}

interface Counted {
  /** The number of a content event, from 0. */
  onEvent(number: number, now: number): void;
  onGap(ms: number): void;
}

/** Counts the events of a stream by the empty lines behind them, wherever the reads are cut. */
function createCounter(contents: number, { onEvent, onGap }: Counted) {
  let seen = 0;
  let wasNewline = false;
  let lastAt = 0;
  return {
    count: () => seen,
    read(data: Buffer, from: number, to: number): void {
      const now = performance.now();
      const before = seen;
      for (let at = data.indexOf(LF, from); at !== -1 && at < to; at = data.indexOf(LF, at + 1)) {
        const follows = at === from ? wasNewline : data[at - 1] === LF;
        if (follows) seen++;
      }
      wasNewline = data[to - 1] === LF;
      if (seen === before) return;
      if (lastAt > 0) onGap(now - lastAt);
      lastAt = now;
      const first = Math.max(0, before - FIRST_EVENTS + 1);
      const end = Math.min(contents, seen - FIRST_EVENTS + 1);
      for (let number = first; number < end; number++) onEvent(number, now);
    },
  };
}
