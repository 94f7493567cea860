import type { Ranges } from './ranges.js';
import { passBy, type Shape, shapeOf, type Tally } from './shape.js';

/** The events that make up most of a stream, so that they need not be read one by one. */
export interface Routine {
  /** An event that told nothing new, and of which there may be more; `excess` is to be taken out of it. */
  learn(block: Buffer, excess: Ranges): void;
  /** Passes by the events that are known from `from` on, and returns where they end. Adds what is to be taken out. */
  passBy(bytes: Buffer, from: number, tally: Tally, ranges: number[]): number;
}

/** A stream may take turns: between choices, or between thinking and speaking. */
const MAX_SHAPES = 4;
/** Of a stream whose events never come twice this many are studied for nothing. */
const TRIALS = 16;

export function createRoutine(): Routine {
  const shapes: Shape[] = [];
  let trials = TRIALS;

  function passByOneShape(bytes: Buffer, from: number, tally: Tally, ranges: number[]): number {
    for (const shape of shapes) {
      const end = passBy(shape, bytes, from, tally, ranges);
      if (end > from) return end;
    }
    return from;
  }

  return {
    learn(block, excess) {
      if (trials === 0) return;
      trials--;
      const shape = shapeOf(block, excess);
      if (shape === null) return;
      shapes.unshift(shape);
      if (shapes.length > MAX_SHAPES) shapes.pop();
    },
    passBy(bytes, from, tally, ranges) {
      let at = from;
      while (at < bytes.length) {
        const end = passByOneShape(bytes, at, tally, ranges);
        if (end === at) break;
        at = end;
        trials = TRIALS;
      }
      return at;
    },
  };
}
