import type { Memory } from '../db/memory.js';
import type { Availability } from './availability.js';

const NAME = 'availability';
/** A crash forgets at most this much of what was learned. */
const EVERY_MS = 5_000;

/** Keeps what is known about targets over a restart. */
export interface Keeping {
  /** Takes over what the last process knew, if `recall` says so. Call it before the first request. */
  start(recall: boolean): Promise<void>;
  /** Writes it down for the last time. */
  stop(): Promise<void>;
}

/**
 * Writes the availability of targets into the ledger, every five seconds when it has changed, and at the end. A database
 * that cannot be read or written costs only the memory: `onFailure` is told, and nothing else happens.
 */
export function keepAvailability(
  availability: Pick<Availability, 'save' | 'restore'>,
  memory: Memory,
  onFailure: (error: unknown) => void,
): Keeping {
  let written = '';
  let timer: NodeJS.Timeout | undefined;

  async function save(): Promise<void> {
    const value = JSON.stringify(availability.save(Date.now()));
    if (value === written) return;
    try {
      await memory.remember({ name: NAME, value });
      written = value;
    } catch (error) {
      onFailure(error);
    }
  }

  return {
    async start(recall) {
      try {
        const saved = recall ? await memory.recall(NAME) : null;
        if (saved !== null) availability.restore(JSON.parse(saved), Date.now());
      } catch (error) {
        onFailure(error);
      }
      timer = setInterval(() => void save(), EVERY_MS).unref();
    },
    async stop() {
      clearInterval(timer);
      await save();
    },
  };
}
