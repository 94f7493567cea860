import type { Exchange } from '../exchange.js';
import type { CapturedTry } from '../payloads/capture.js';

/** The handle on an attempt under way. */
export interface Control {
  /** Stops it; set by the attempt while there is something to stop. */
  stop: (() => void) | null;
  /** Another attempt of the exchange was faster. */
  lost: boolean;
  /** Keeps what is to be stored of the answer; null when nothing is. */
  readonly captured: CapturedTry | null;
}

export function createControl(captured: CapturedTry | null = null): Control {
  return { stop: null, lost: false, captured };
}

/** Whether nobody waits for what the attempt brings. */
export function isStopped({ cancelled }: Exchange, { lost }: Control): boolean {
  return lost || cancelled !== null;
}
