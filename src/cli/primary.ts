import cluster, { type Worker } from 'node:cluster';
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import type { GatewayOptions } from '../config.js';
import type { LedgerLogger } from '../db/ledger.js';
import { createHub } from '../workers/hub.js';
import type { FromWorker, ToWorker } from '../workers/messages.js';
import { environmentOf } from '../workers/role.js';
import { createSharedFiles } from '../workers/store.js';
import { makeSharedFolder } from './shared-folder.js';

/** A worker that served so long has not failed at its start. Milliseconds. */
const SETTLED_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;
/** So many workers in a row that never listened, with none left that does, are no accident. */
const MAX_FAILURES = 5;

export interface PrimaryOptions {
  readonly count: number;
  readonly options: GatewayOptions;
  /** Where the options come from. */
  readonly file: string | null;
  readonly logger: LedgerLogger;
}

/** The process that looks after the workers, and serves nothing itself. */
export interface Primary {
  /** Resolves with what is to be printed once all listen; null when they do not: each has said why. */
  start(): Promise<readonly string[] | null>;
  /** Tells all to stop; the process ends after the last, with 0 when all went well. */
  stop(signal: NodeJS.Signals): void;
  /** Ends all at once. */
  kill(): void;
}

/** One of the workers, and after it those that replace it. */
interface Slot {
  readonly index: number;
  worker: Worker | null;
  listensSince: number | null;
  /** Workers in a row that did not serve for long. */
  failures: number;
  timer: NodeJS.Timeout | null;
}

export function createPrimary({ count, options, file, logger }: PrimaryOptions): Primary {
  const folder = makeSharedFolder();
  const files = createSharedFiles(folder);
  const hub = createHub((to, message) => send(cluster.workers?.[to], message));
  const slots = Array.from(
    { length: count },
    (_, index): Slot => ({ index, worker: null, listensSince: null, failures: 0, timer: null }),
  );
  let phase: 'starting' | 'serving' | 'stopping' = 'starting';
  let exitCode = 0;
  let stopSignal: NodeJS.Signals = 'SIGTERM';

  /** Resolves with what the worker wants to be printed; null when it ended without listening. */
  function fork(slot: Slot): Promise<readonly string[] | null> {
    slot.timer = null;
    const role = { slot: slot.index, count, isFresh: phase === 'starting', folder };
    const worker = cluster.fork(environmentOf(role));
    slot.worker = worker;
    return new Promise((resolve) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'hello') return send(worker, { kind: 'start', options, file });
        if (message.kind !== 'listening') return hub.take(worker.id, message);
        slot.listensSince = performance.now();
        resolve(message.lines);
      });
      worker.once('exit', (code: number | null, signal: string | null) => {
        resolve(null);
        ended(slot, worker, code, signal);
      });
    });
  }

  function ended(slot: Slot, worker: Worker, code: number | null, signal: string | null): void {
    const served = slot.listensSince === null ? 0 : performance.now() - slot.listensSince;
    slot.worker = null;
    slot.listensSince = null;
    hub.leave(worker.id);
    release(worker);
    if (phase === 'serving')
      restart(slot, served, { worker: slot.index + 1, workerPid: worker.process.pid, code, signal });
    // Who was told to stop before it could listen to that has not failed.
    else if (code !== 0 && (phase === 'starting' || signal !== stopSignal || served > 0)) exitCode = 1;
    if (phase !== 'serving' && slots.every((each) => each.worker === null)) end();
  }

  function release(worker: Worker): void {
    try {
      files.release(worker.id);
    } catch (error) {
      logger.error({ error: String(error) }, 'what a dead worker held cannot be given back');
    }
  }

  function restart(slot: Slot, served: number, details: object): void {
    slot.failures = served >= SETTLED_MS ? 0 : slot.failures + 1;
    if (slot.failures >= MAX_FAILURES && slots.every(({ listensSince }) => listensSince === null)) {
      logger.error(details, 'no worker lives: giving up');
      exitCode = 1;
      stop('SIGTERM');
      return;
    }
    const pauseMs =
      slot.failures === 0 ? 0 : Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (slot.failures - 1));
    logger.error({ ...details, pauseMs }, 'a worker ended unexpectedly: another takes its place');
    slot.timer = setTimeout(() => void fork(slot), pauseMs);
  }

  function stop(signal: NodeJS.Signals): void {
    phase = 'stopping';
    stopSignal = signal;
    for (const { worker, timer } of slots) {
      if (timer !== null) clearTimeout(timer);
      worker?.process.kill(signal);
    }
    if (slots.every(({ worker }) => worker === null)) end();
  }

  function end(): void {
    files.close();
    rmSync(folder, { recursive: true, force: true });
    process.exit(exitCode);
  }

  return {
    async start() {
      const [first, ...others] = slots;
      if (first === undefined) return null;
      // The first alone migrates the database, and finds out whether the port is free.
      const lines = await fork(first);
      const isStarting = lines !== null && phase === 'starting';
      const started = isStarting ? await Promise.all(others.map(fork)) : [];
      if (phase !== 'starting') return null;
      if (lines === null || started.includes(null)) {
        exitCode = 1;
        stop('SIGTERM');
        return null;
      }
      phase = 'serving';
      return lines;
    },
    stop,
    kill() {
      for (const { worker } of slots) worker?.process.kill('SIGKILL');
      exitCode = 128 + constants.signals[stopSignal];
      end();
    },
  };
}

function send(worker: Worker | undefined, message: ToWorker): void {
  // It may be gone already, which its end will tell.
  if (worker?.isConnected() === true) worker.send(message, () => {});
}
