import { type Amounts, createAmounts } from './learned/amounts.js';
import { type BoundedMap, createBoundedMap } from './learned/bounded.js';
import { createSpeeds, type Speeds } from './learned/speeds.js';
import { createTurns, type Turns } from './learned/turns.js';

/** What earlier requests have taught. Choosing reads it and changes nothing. */
export interface Learned {
  readonly speeds: Speeds;
  readonly amounts: Amounts;
  readonly turns: Turns;
  /** The target that last answered a session. */
  readonly sessions: BoundedMap<string>;
}

const MAX_SESSIONS = 10_000;

/** Nothing is known yet. */
export function createLearned(): Learned {
  return {
    speeds: createSpeeds(),
    amounts: createAmounts(),
    turns: createTurns(),
    sessions: createBoundedMap(MAX_SESSIONS, () => ''),
  };
}
