import { setTimeout as pause } from 'node:timers/promises';
import { type Connection, openConnection } from './client.js';
import { createHistogram, type Histogram } from './histogram.js';

/** What every answer has to be; anything else is an error, and one error fails the lane. */
export interface Expected {
  readonly status: number;
  /** Of the body, without what the chunked coding adds. */
  readonly bytes: number;
}

/** For answers that are under way when nothing more is sent. */
const LAST_ANSWERS_MS = 15_000;
const ANSWER_MS = 15_000;

/** Asks once, on a connection of its own, and gives the whole body. */
export function askOnce(port: number, request: Buffer): Promise<{ status: number; text: string }> {
  const connection = openConnection(port);
  const parts: Buffer[] = [];
  const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
    const timer = setTimeout(reject, ANSWER_MS, new Error('there was no answer')).unref();
    connection.send(request, {
      onBody: (data, from, to) => parts.push(Buffer.from(data.subarray(from, to))),
      onEnd(status) {
        clearTimeout(timer);
        resolve({ status, text: Buffer.concat(parts).toString() });
      },
      onFailure: reject,
    });
  });
  return answer.finally(() => connection.destroy());
}

/** Clients that send the next request when the last one was answered. */
export interface ClosedLoop {
  /** Answered so far. */
  readonly answers: number;
  /** Ends when everything under way was answered. Rejects when an answer was not what was expected. */
  stop(): Promise<void>;
}

export function startClosedLoop(load: {
  readonly port: number;
  readonly connections: number;
  readonly request: Buffer;
  readonly expected: Expected;
}): ClosedLoop {
  const { port, request, expected } = load;
  const problems = createProblems();
  let answers = 0;
  let busy = 0;
  let stopping = false;
  const connections = Array.from({ length: load.connections }, () => openConnection(port));
  for (const connection of connections) {
    const receiver = {
      onEnd(status: number, bytes: number) {
        answers++;
        if (status !== expected.status || bytes !== expected.bytes)
          problems.unexpected(status, bytes, expected);
        if (stopping) busy--;
        else connection.send(request, receiver);
      },
      onFailure(error: Error) {
        busy--;
        problems.failed(error);
      },
    };
    busy++;
    connection.send(request, receiver);
  }
  return {
    get answers() {
      return answers;
    },
    async stop() {
      stopping = true;
      await until(() => busy === 0);
      close(connections);
      problems.check(answers);
    },
  };
}

/** How late answers were, counted from when each request was to be sent, whether it could be or not. */
export async function openLoop(load: {
  readonly port: number;
  readonly request: Buffer;
  readonly expected: Expected;
  readonly perSecond: number;
  readonly ms: number;
  readonly connections: number;
  /** What is waited for: the whole answer, or the first byte of its body. */
  readonly until: 'end' | 'first byte';
}): Promise<Histogram> {
  const { port, request, expected, perSecond } = load;
  const latencies = createHistogram();
  const problems = createProblems();
  const connections = Array.from({ length: load.connections }, () => openConnection(port));
  const idle = [...connections];
  const waiting: number[] = [];
  const total = Math.round((perSecond * load.ms) / 1000);
  const startedAt = performance.now();
  let issued = 0;
  let done = 0;

  const send = (connection: Connection, due: number) => {
    let recorded = false;
    const record = () => {
      if (!recorded) latencies.record(performance.now() - due);
      recorded = true;
    };
    connection.send(request, {
      ...(load.until === 'first byte' && { onBody: record }),
      onEnd(status, bytes) {
        record();
        if (status !== expected.status || bytes !== expected.bytes)
          problems.unexpected(status, bytes, expected);
        done++;
        const next = waiting.shift();
        if (next === undefined) idle.push(connection);
        else send(connection, next);
      },
      onFailure(error) {
        done++;
        problems.failed(error);
      },
    });
  };

  await new Promise<void>((resolve) => {
    const turn = () => {
      const now = performance.now();
      for (; issued < total; issued++) {
        const due = startedAt + (issued * 1000) / perSecond;
        if (due > now) break;
        const connection = idle.pop();
        if (connection === undefined) waiting.push(due);
        else send(connection, due);
      }
      // A timer has steps of a millisecond, which is more than what is measured.
      if (issued < total) setImmediate(turn);
      else resolve();
    };
    turn();
  });
  await until(() => done >= total);
  close(connections);
  problems.check(done);
  return latencies;
}

function close(connections: readonly Connection[]): void {
  for (const connection of connections) connection.destroy();
}

/** Waits until something is so, but not for ever. */
export async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + LAST_ANSWERS_MS;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('some requests were never answered');
    await pause(5);
  }
}

/** Collects what was wrong with answers. */
export function createProblems() {
  let count = 0;
  let first = '';
  const add = (what: string) => {
    count++;
    if (first === '') first = what;
  };
  return {
    unexpected(status: number, bytes: number, expected: Expected): void {
      add(`status ${status} with ${bytes} bytes instead of ${expected.status} with ${expected.bytes}`);
    },
    failed: (error: Error): void => add(error.message),
    /** Throws when there was any. */
    check(answers: number): void {
      if (count > 0) throw new Error(`${count} of ${answers} answers were wrong; the first one: ${first}`);
      if (answers === 0) throw new Error('there was no answer at all');
    },
  };
}
