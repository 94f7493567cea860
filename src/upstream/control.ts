import type { Exchange } from '../exchange.js';

/** The handle on an attempt under way. */
export interface Control {
  /** Stops it; set by the attempt while there is something to stop. */
  stop: (() => void) | null;
  /** Another attempt of the exchange was faster. */
  lost: boolean;
  /** It began beside another one: what is captured of the exchange is the other's. */
  readonly beside: boolean;
}

export function createControl(beside = false): Control {
  return { stop: null, lost: false, beside };
}

/** Whether nobody waits for what the attempt brings. */
export function isStopped({ cancelled }: Exchange, { lost }: Control): boolean {
  return lost || cancelled !== null;
}
