import type { Exchange } from '../exchange.js';

/** The handle on an attempt under way. */
export interface Control {
  /** Stops it; set by the attempt while there is something to stop. */
  stop: (() => void) | null;
  /** Another attempt of the exchange was faster. */
  lost: boolean;
}

export function createControl(): Control {
  return { stop: null, lost: false };
}

/** Whether nobody waits for what the attempt brings. */
export function isStopped({ cancelled }: Exchange, { lost }: Control): boolean {
  return lost || cancelled !== null;
}
