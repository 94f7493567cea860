import { constants } from 'node:os';
import closeWithGrace from 'close-with-grace';
import type { FastifyInstance } from 'fastify';

/** After the drain: last words to clients, upstream connections, the ledger's flush. Milliseconds. */
const CLOSING_MS = 10_000;
/** A longer delay overflows Node's timers, which then fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/**
 * Ctrl-C under npm arrives twice, from the terminal and forwarded by npm, within a few milliseconds; no person
 * presses it again that fast.
 */
const ECHO_MS = 500;

const stopSignals = ['SIGINT', 'SIGTERM'] as const;

/**
 * Closes the app when the process is told to stop, and then exits: 0 after a signal, 1 after an unexpected error.
 * `drainTimeout` is how long live exchanges may take, in milliseconds. A second signal exits at once, with 128 and
 * the signal's number.
 */
export function closeOnSignals(app: FastifyInstance, drainTimeout: number): void {
  const delay = Math.min(drainTimeout + CLOSING_MS, MAX_TIMER_MS);
  // SIGINT and SIGTERM are handled below: close-with-grace would take npm's echo for a second one.
  const grace = closeWithGrace(
    { delay, logger: app.log, skip: [...stopSignals] },
    async ({ err, signal }) => {
      if (err) app.log.fatal({ err }, 'unexpected error: shutting down');
      else if (signal) announce(signal);
      await app.close();
    },
  );

  onStopSignals({
    first(signal) {
      announce(signal);
      grace.close();
    },
    again(signal) {
      app.log.warn({ signal }, 'told to stop again: exiting at once');
      process.exit(128 + constants.signals[signal]);
    },
  });

  function announce(signal: NodeJS.Signals): void {
    app.log.info(
      { signal, drainTimeout },
      'shutting down: live exchanges may finish, another signal exits at once',
    );
  }
}

/** What to do when the process is told to stop, and when it is told so again by somebody who means it. */
export function onStopSignals(stop: Record<'first' | 'again', (signal: NodeJS.Signals) => void>): void {
  let first: number | null = null;
  for (const signal of stopSignals) {
    process.on(signal, () => {
      const now = performance.now();
      if (first === null) {
        first = now;
        stop.first(signal);
      } else if (now - first > ECHO_MS) {
        stop.again(signal);
      }
    });
  }
}
