import type { Dimension, Names } from './views.js';

/** Values by a time and some dimensions. */
export interface Places<Value> {
  readonly size: number;
  /** What is at a place; made when nothing is. */
  of(at: number, names: Names): Value;
  clear(): void;
}

/** The way to a value leads over its time and one name after the other. */
interface Step<Value> {
  next: Map<string | number, Step<Value>> | null;
  value: Value | null;
}

/**
 * Nothing yet. Names may hold anything, so that a text of all of them would have to be JSON; to make one for every row
 * takes ten times as long as to find it step by step.
 */
export function createPlaces<Value>(
  dimensions: readonly Dimension[],
  make: (at: number, names: Names) => Value,
): Places<Value> {
  const root: Step<Value> = { next: null, value: null };
  let size = 0;

  return {
    get size() {
      return size;
    },
    of(at, names) {
      let step = follow(root, at);
      for (const dimension of dimensions) step = follow(step, names[dimension]);
      if (step.value === null) {
        step.value = make(at, names);
        size += 1;
      }
      return step.value;
    },
    clear() {
      root.next = null;
      size = 0;
    },
  };
}

function follow<Value>(from: Step<Value>, name: string | number): Step<Value> {
  from.next ??= new Map();
  let step = from.next.get(name);
  if (step === undefined) {
    step = { next: null, value: null };
    from.next.set(name, step);
  }
  return step;
}
